#!/usr/bin/env node
// The client of IPython clusters beside Python's own, on the same controller and the same two Python engines, in turns; as JSON.
// Needs SPINN_PEER_IPYPARALLEL (a Python with ipyparallel), the package zeromq, and a build.
//
//   SPINN_PEER_IPYPARALLEL=/usr/bin/python3 node tools/bench/cluster.mjs [--tasks 300] [--rounds 3] [--long 100000]
//
// Also calls to an engine of ours in a process of its own; --long: so many of them, with this process's memory on the way, ten times.
import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { cpus, loadavg } from "node:os";
import { fileURLToPath } from "node:url";
import { parseArgs, promisify } from "node:util";
import { Client, Engine } from "../../dist/services/cluster/index.js";

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { tasks: { type: "string", default: "300" }, rounds: { type: "string", default: "3" }, long: { type: "string", default: "0" } },
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
  const execute = async (view) => {
    const result = view.execute("1", { silent: true });
    await result;
    await result.waitForOutput();
  };
  await one.call(name);
  await execute(one);
  const trips = Math.max(20, Math.floor(tasks / 3));
  return {
    mux_apply_round_trips_per_s: await inTurn(trips, () => one.call(name)),
    mux_execute_round_trips_per_s: await inTurn(trips, () => execute(one)),
    mux_apply_tasks_per_s: await atOnce(tasks, (i) => views[i % views.length].call(name)),
    mux_execute_tasks_per_s: await atOnce(tasks, (i) => execute(views[i % views.length])),
    scheduled_apply_tasks_per_s: await atOnce(tasks, () => balanced.call(name)),
  };
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
    report.python_engines[key] = { ours: rounded(mine), python: rounded(pythons), ratio: rounded(ratio), bar: BARS[key] };
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
  await client.close();
  await engine.stop();
} finally {
  await cluster.stop();
}
report.load_after = rounded(loadavg()[0]);
console.log(JSON.stringify(report, null, 2));
