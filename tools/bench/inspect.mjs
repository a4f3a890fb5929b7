// What watchers cost a computation that updates its IDict about 10,000 times a second: none, then 20 in another process, one of which never reads.
//   npm run bench:inspect
import { fork } from "node:child_process";
import { connect } from "node:net";
import { fileURLToPath } from "node:url";
import { IDict, inspect, runServer } from "../../dist/services/inspect/index.js";

const WATCHERS = 19;
const SECONDS = 3;

if (process.argv[2] === "watch") await watch(Number(process.argv[3]), Number(process.argv[4]));
else await measure();

async function measure() {
  const idict = new IDict({ n: 0, curve: new Float64Array(1000), at: 0 });
  const server = await runServer(idict);
  // The same loop three times, so that the compiler has seen it before anything counts.
  await compute(idict, 1000);
  const alone = await compute(idict, SECONDS * 1000);
  const { port, notifyPort } = server.address;
  const child = fork(fileURLToPath(import.meta.url), ["watch", String(port), String(notifyPort)]);
  const told = (word) => new Promise((resolve) => child.on("message", (message) => message.what === word && resolve(message)));
  await told("ready");
  const heapBefore = process.memoryUsage().heapUsed;
  const watched = await compute(idict, SECONDS * 1000);
  const heapAfter = process.memoryUsage().heapUsed;
  const report = told("report");
  child.send("stop");
  const { states, lateMs } = await report;
  const percent = (part) => `${(100 * part).toFixed(1)} %`;
  console.log(`alone                ${alone.toFixed(0)} updates/s`);
  console.log(`${WATCHERS + 1} watchers          ${watched.toFixed(0)} updates/s, ${percent(1 - watched / alone)} slower`);
  console.log(
    `each watcher saw     ${(states / WATCHERS / SECONDS).toFixed(1)} states/s, the newest ${lateMs.toFixed(1)} ms after it was set (95 of 100)`,
  );
  console.log(`heap                 ${((heapAfter - heapBefore) / 1e6).toFixed(1)} MB more after ${SECONDS} s`);
  await server.close();
}

/** Steps of about 90 us of work each; steps a second. */
async function compute(idict, ms) {
  const curve = idict.get("curve");
  const began = performance.now();
  let steps = 0;
  for (; performance.now() - began < ms; steps += 1) {
    await idict.wait();
    const until = performance.now() + 0.09;
    while (performance.now() < until) curve[steps % 1000] += Math.sqrt(steps);
    idict.set("n", steps);
    idict.set("at", Date.now());
    if (steps % 100 === 0) idict.set("curve", curve);
    idict.notifyUpdate();
  }
  return steps / ((performance.now() - began) / 1000);
}

async function watch(port, notifyPort) {
  const late = [];
  let states = 0;
  let counting = false;
  const watchers = await Promise.all(Array.from({ length: WATCHERS }, () => inspect("127.0.0.1", port)));
  for (const watcher of watchers) {
    void (async () => {
      for await (const { values } of watcher) {
        if (!counting) continue;
        states += 1;
        late.push(Date.now() - values.at);
      }
    })();
  }
  const dead = connect(notifyPort, "127.0.0.1");
  dead.write("ARTIQ sync_struct\nrun\n");
  dead.pause();
  counting = true;
  process.send({ what: "ready" });
  process.once("message", async () => {
    late.sort((a, b) => a - b);
    process.send({ what: "report", states, lateMs: late[Math.floor(late.length * 0.95)] });
    await Promise.all(watchers.map((watcher) => watcher.close()));
    dead.destroy();
    process.disconnect();
  });
}
