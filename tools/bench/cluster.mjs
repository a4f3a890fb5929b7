#!/usr/bin/env node
// The client of IPython clusters beside Python's own, on the same controller and the same two Python engines, in turns; as JSON.
// Needs SPINN_PEER_IPYPARALLEL (a Python with ipyparallel), the package zeromq, and a build.
//
//   SPINN_PEER_IPYPARALLEL=/usr/bin/python3 node tools/bench/cluster.mjs [--tasks 300] [--rounds 3] [--boards 24] [--long 100000]
//
// Also calls to engines of ours: a bare one, and so many simulated boards, each kind in a process of its own; --long: so many calls, with this
// process's memory on the way, ten times. `cpu_us_per_trip` is this client's own work for a round trip: it does not grow with the machine's load.
import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { cpus, loadavg } from "node:os";
import { fileURLToPath } from "node:url";
import { parseArgs, promisify } from "node:util";
import { Client, Engine } from "../../dist/services/cluster/index.js";

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    tasks: { type: "string", default: "300" },
    rounds: { type: "string", default: "3" },
    boards: { type: "string", default: "24" },
    long: { type: "string", default: "0" },
  },
});
const python = process.env.SPINN_PEER_IPYPARALLEL;
const peer = fileURLToPath(new URL("../../test/peers/cluster_peer.py", import.meta.url));
const [tasks, rounds] = [Number(values.tasks), Number(values.rounds)];
const BARS = {
  mux_apply_round_trips_per_s: 1.3,
  mux_execute_round_trips_per_s: 1.3,
  mux_apply_tasks_per_s: 1.1,
  mux_execute_tasks_per_s: 1.1,
};
const BOARD_BARS = { start_to_ready_s: 5, call_to_all_ms: 100, calls_per_s_to_one: 4000 };

if (positionals[0] === "engine") {
  const engine = await Engine.start({ file: positionals[1], methods: { echo: ({ args }) => args[0] } });
  console.log(engine.id);
  await engine.ended;
  process.exit();
}
if (python === undefined) {
  console.error("SPINN_PEER_IPYPARALLEL must name a Python that has ipyparallel, for example /usr/bin/python3");
  process.exit(2);
}

const rounded = (value) => Number(value.toPrecision(4));
const median = (list) => [...list].sort((a, b) => a - b)[list.length >> 1];

async function started(command, args) {
  const child = spawn(command, args, { stdio: ["pipe", "pipe", "inherit"] });
  const [line] = await once(child.stdout, "data");
  const stop = async () => {
    const ended = once(child, "exit");
    child.stdin.end();
    child.kill();
    await ended;
  };
  return { told: JSON.parse(line.toString()), stop };
}

async function perSecond(count, work) {
  const start = performance.now();
  await work();
  return count / ((performance.now() - start) / 1000);
}

const inTurn = (count, send) =>
  perSecond(count, async () => {
    for (let i = 0; i < count; i += 1) await send(i);
  });
const atOnce = (count, send) => perSecond(count, () => Promise.all(Array.from({ length: count }, (_, i) => send(i))));

async function ours(client) {
  const views = client.ids.slice(0, 2).map((id) => client.directView(id));
  const [one] = views;
  const balanced = client.loadBalancedView({ targets: client.ids.slice(0, 2) });
  const name = "__import__('os').getpid";
  // The reply, as Python's get() does; neither waits for the output to be complete.
  const execute = (view) => view.execute("1", { silent: true });
  await one.call(name);
  await execute(one);
  const trips = Math.max(20, Math.floor(tasks / 3));
  const before = process.cpuUsage();
  for (let i = 0; i < trips; i += 1) await one.call(name);
  const { user, system } = process.cpuUsage(before);
  return {
    cpu_us_per_trip: (user + system) / trips,
    mux_apply_round_trips_per_s: await inTurn(trips, () => one.call(name)),
    mux_execute_round_trips_per_s: await inTurn(trips, () => execute(one)),
    mux_apply_tasks_per_s: await atOnce(tasks, (i) => views[i % views.length].call(name)),
    mux_execute_tasks_per_s: await atOnce(tasks, (i) => execute(views[i % views.length])),
    scheduled_apply_tasks_per_s: await atOnce(tasks, () => balanced.call(name)),
  };
}

/** Boards as engines: how long until all are there, a call to all, calls to one that ask the board nothing, and some that do. */
async function boards(count, client, engineFile) {
  const main = fileURLToPath(new URL("../../dist/cli/main.js", import.meta.url));
  const start = performance.now();
  const words = ["engine", "--simulation", String(count), "--cluster", engineFile, "--no-watch", "--json"];
  const { told, stop } = await started(process.execPath, [main, ...words]);
  const ready = (performance.now() - start) / 1000;
  try {
    const ids = told.boards.map(({ engine }) => engine);
    while (!ids.every((id) => client.ids.includes(id))) await new Promise((resolve) => setTimeout(resolve, 5));
    const all = client.directView(ids);
    const one = client.directView(ids[0]);
    const times = [];
    for (let i = 0; i < 20; i += 1) times.push(1000 / (await perSecond(1, () => all.call("info"))));
    const trips = await inTurn(500, () => one.call("info"));
    await atOnce(2000, () => one.call("info"));
    return {
      boards: count,
      start_to_ready_s: rounded(ready),
      call_to_all_ms: rounded(median(times)),
      calls_per_s_to_one: rounded(await atOnce(6000, () => one.call("info"))),
      reads_of_256_bytes_per_s_of_one: rounded(await atOnce(2000, () => one.call("read", "0,0", 0x60240000, 256))),
      reads_of_256_bytes_per_s_of_all: rounded(
        await atOnce(100 * count, (i) => client.directView(ids[i % count]).call("read", "0,0", 0x60240000, 256)),
      ),
      round_trips_per_s: rounded(trips),
      bars: BOARD_BARS,
    };
  } finally {
    await stop();
  }
}

async function theirs(file) {
  const { stdout } = await promisify(execFile)(python, [peer, "measure", file, String(tasks)]);
  return JSON.parse(stdout);
}

const report = { node: process.version, cpus: cpus().length, load_before: rounded(loadavg()[0]) };
const cluster = await started(python, [peer, "serve", "2"]);
try {
  const { client: file, engine: engineFile } = cluster.told;
  const client = await Client.connect({ file });
  await client.waitForEngines(2);
  const turns = [];
  for (let i = 0; i < rounds; i += 1) turns.push([await ours(client), await theirs(file)]);
  report.python_engines = {};
  for (const key of Object.keys(turns[0][0])) {
    const [mine, pythons] = [0, 1].map((side) => median(turns.map((turn) => turn[side][key])));
    const ratio = median(turns.map(([own, other]) => own[key] / other[key]));
    report.python_engines[key] =
      pythons === undefined
        ? { ours: rounded(mine) }
        : { ours: rounded(mine), python: rounded(pythons), ratio: rounded(ratio), bar: BARS[key] };
  }
  const engine = await started(process.execPath, [fileURLToPath(import.meta.url), "engine", engineFile]);
  await client.waitForEngines(3);
  const view = client.directView(engine.told);
  const burst = (count) => atOnce(count, (i) => view.call("echo", i));
  await burst(2000);
  report.own_engine = {
    calls_per_s: rounded(await burst(5000)),
    round_trips_per_s: rounded(await inTurn(1000, (i) => view.call("echo", i))),
  };
  const long = Number(values.long);
  if (long > 0) {
    const rss = [];
    for (let i = 0; i <= 10; i += 1) {
      for (let done = 0; done < long / 10; done += 1000) await burst(1000);
      rss.push(Math.round(process.memoryUsage().rss / 1e6));
    }
    report.own_engine[`client_rss_MB_every_${long / 10}_tasks`] = rss;
  }
  report.board_engines = await boards(Number(values.boards), client, engineFile);
  await client.close();
  await engine.stop();
} finally {
  await cluster.stop();
}
report.load_after = rounded(loadavg()[0]);
console.log(JSON.stringify(report, null, 2));
