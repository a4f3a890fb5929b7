// What watchers cost a computation that updates its IDict about 10,000 times a second: none and 20 in turns, in another process, one of which
// never reads. Then as many updates as ten minutes bring, as fast as they go, for what stays in memory.
//   npm run bench:inspect [-- --long]      --long: three times as many turns
import { fork } from "node:child_process";
import { connect } from "node:net";
import { fileURLToPath } from "node:url";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { IDict, inspect, runServer } from "../../dist/services/inspect/index.js";

const WATCHERS = 19;
const TURN_MS = 800;
const TURNS = process.argv.includes("--long") ? 12 : 4;
/** What ten minutes bring: updates, and of these published at 20 a second. */
const UPDATES = 6_000_000;
const PUBLISHED = 12_000;

if (process.argv[2] === "watch") watch();
else await measure();

async function measure() {
  const idict = new IDict({ n: 0, curve: new Float64Array(1000), at: 0 });
  const server = await runServer(idict);
  const { port, notifyPort } = server.address;
  const child = fork(fileURLToPath(import.meta.url), ["watch"]);
  const ask = (message) =>
    new Promise((resolve) => {
      child.once("message", resolve);
      child.send(message);
    });
  const rates = { alone: [], watched: [] };
  const shares = { alone: [], watched: [] };
  const late = [];
  let states = 0;
  // Once before anything counts, so that the compiler has seen the loop.
  await compute(idict, TURN_MS);
  for (let turn = 0; turn < TURNS; turn += 1) {
    rates.alone.push(await compute(idict, TURN_MS));
    shares.alone.push(await rest(idict, TURN_MS));
    await ask({ what: "come", port, notifyPort });
    rates.watched.push(await compute(idict, TURN_MS));
    shares.watched.push(await rest(idict, TURN_MS));
    const seen = await ask({ what: "go" });
    late.push(...seen.late);
    states += seen.states;
  }
  const [alone, watched] = [median(rates.alone), median(rates.watched)];
  const lost = median(rates.alone.map((rate, turn) => 1 - rates.watched[turn] / rate));
  late.sort((a, b) => a - b);
  const at = (share) => late[Math.min(late.length - 1, Math.floor(share * late.length))];
  console.log(`alone                ${alone.toFixed(0)} updates/s`);
  console.log(`${WATCHERS + 1} watchers          ${watched.toFixed(0)} updates/s, ${(100 * lost).toFixed(1)} % slower (5 allowed)`);
  const share = 100 * (median(shares.watched) - median(shares.alone));
  console.log(`by processor time    20 watchers take ${share.toFixed(1)} % of a core from the process: what a busy computer does not blur`);
  console.log(`each watcher saw     ${(states / WATCHERS / TURNS / ((2 * TURN_MS) / 1000)).toFixed(1)} states/s`);
  console.log(`newest state         ${at(0.5)} ms after it was set, ${at(0.95)} for 95 of 100, ${at(1)} at most (50 allowed)`);
  await server.close();
  await memory(ask);
  child.disconnect();
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
    update(idict, steps);
    if (steps % 100 === 0) idict.set("curve", curve);
    idict.notifyUpdate();
  }
  return steps / ((performance.now() - began) / 1000);
}

/** The same updates 200 times a second with nothing computed between: how much of a core publishing takes. */
async function rest(idict, ms) {
  const before = process.cpuUsage();
  const began = performance.now();
  for (let steps = 0; performance.now() - began < ms; steps += 1) {
    update(idict, steps);
    idict.set("curve", idict.get("curve"));
    idict.notifyUpdate();
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1000 / (performance.now() - began);
}

function update(idict, steps) {
  idict.set("n", steps);
  idict.set("at", Date.now());
}

/** Ten minutes' worth in as little time as it takes, with all watchers; what is left in memory after each sixth of it. */
async function memory(ask) {
  setFlagsFromString("--expose_gc");
  const collect = runInNewContext("gc");
  const idict = new IDict({ n: 0, curve: new Float64Array(1000), at: 0 }, { minIntervalMs: 1 });
  const server = await runServer(idict);
  const { port, notifyPort } = server.address;
  await ask({ what: "come", port, notifyPort });
  const left = [];
  const began = performance.now();
  for (let steps = 0; steps < UPDATES; steps += 1) {
    await idict.wait();
    update(idict, steps);
    idict.notifyUpdate();
    if (steps % (UPDATES / PUBLISHED) === 0) await new Promise((resolve) => setTimeout(resolve, 1));
    if (steps % (UPDATES / 6) !== UPDATES / 6 - 1) continue;
    collect();
    const { heapUsed, external } = process.memoryUsage();
    left.push((heapUsed + external) / 1e6);
  }
  const seconds = (performance.now() - began) / 1000;
  console.log(`ten minutes' worth   ${UPDATES / 1e6} million updates, ${idict.run.seq} published, in ${seconds.toFixed(1)} s`);
  console.log(`in memory            ${left.map((mb) => mb.toFixed(1)).join(", ")} MB after each sixth of it`);
  await ask({ what: "go" });
  await server.close();
}

function median(values) {
  return [...values].sort((a, b) => a - b)[values.length >> 1];
}

function watch() {
  let leave = () => {};
  process.on("message", async (message) => {
    if (message.what === "go") {
      process.send(await leave());
      return;
    }
    const { port, notifyPort } = message;
    const seen = { late: [], states: 0 };
    const watchers = await Promise.all(Array.from({ length: WATCHERS }, () => inspect("127.0.0.1", port)));
    const stopped = connect(notifyPort, "127.0.0.1");
    stopped.write("ARTIQ sync_struct\nrun\n");
    stopped.pause();
    for (const watcher of watchers) {
      void (async () => {
        let last = watcher.now.seq;
        for await (const { values, seq } of watcher) {
          // The state there was at the start is as old as the last turn.
          if (seq === last) continue;
          last = seq;
          seen.states += 1;
          seen.late.push(Date.now() - values.at);
        }
      })();
    }
    leave = async () => {
      stopped.destroy();
      await Promise.all(watchers.map((watcher) => watcher.close()));
      return seen;
    };
    process.send("here");
  });
}
