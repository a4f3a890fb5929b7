#!/usr/bin/env node
// Speed of calls and published state over loopback, as JSON. Needs a build (`npm run build`).
//
//   node tools/bench/rpc.mjs [--long]
//
// Own client against own server in another process. With SPINN_PEER_SIPYCO naming a checkout of m-labs/sipyco also the real Python clients
// against the real server and against ours, one after the other. --long: a million calls and a subscriber that stops reading, with the
// memory of the server before and after.
import { execFile, spawn } from "node:child_process";
import { connect } from "node:net";
import { cpus, loadavg } from "node:os";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { Subscriber } from "../../dist/services/publish/index.js";
import { Client, decode, encode } from "../../dist/services/rpc/index.js";

const here = (name) => fileURLToPath(new URL(name, import.meta.url));
const python = process.env.SPINN_PEER_PYTHON ?? "/usr/bin/python3";
const checkout = process.env.SPINN_PEER_SIPYCO;
const pythonEnv = { ...process.env, PYTHONPATH: checkout };
const round = (value) => (typeof value === "number" ? Number(value.toPrecision(4)) : value);

// The real server prints a traceback for each line that is too long for it.
async function started(command, args, env, errors = "inherit") {
  const child = spawn(command, args, { env, stdio: ["pipe", "pipe", errors] });
  const line = await new Promise((resolve, reject) => {
    child.stdout.once("data", (data) => resolve(data.toString()));
    child.once("exit", (code) => reject(new Error(`${command} ended with ${code}`)));
  });
  const [rpc, sync] = JSON.parse(line);
  return { rpc, sync, stop: () => new Promise((resolve) => child.once("exit", resolve) && child.stdin.end()) };
}

/** Median of `repeat` rates. */
async function rate(work, amount, repeat = 5) {
  const rates = [];
  for (let i = 0; i < repeat; i += 1) {
    const start = performance.now();
    await work();
    rates.push(amount / ((performance.now() - start) / 1000));
  }
  return rates.sort((a, b) => a - b)[repeat >> 1];
}

function times(count, work) {
  for (let i = 0; i < count; i += 1) work();
}

async function own(server) {
  const out = {};
  const client = await Client.connect("127.0.0.1", server.rpc);
  const { rpc } = client;
  /** `width` tasks, each awaiting its calls one by one, over the one connection. */
  const pipelined = (calls, width) =>
    Promise.all(
      Array.from({ length: width }, async () => {
        for (let i = 0; i < calls / width; i += 1) await rpc.echo(i);
      }),
    );
  await pipelined(20_000, 100);
  out.sequential_calls_per_s = await rate(() => pipelined(3000, 1), 3000);
  out.pipelined_100_calls_per_s = await rate(() => pipelined(50_000, 100), 50_000);
  const array = new Float64Array(1_000_000).fill(1.5);
  await rpc.ramp(1_000_000);
  out.result_1M_float64_MB_per_s = await rate(() => rpc.ramp(1_000_000), 8);
  out.argument_1M_float64_MB_per_s = await rate(() => rpc.total(array), 8);
  out.echoed_1M_float64_MB_per_s_each_way = await rate(() => rpc.echo(array), 8);
  const n = 100_000;
  let seen;
  let count = 0;
  const subscriber = new Subscriber(
    "state",
    (struct) => struct,
    (mod) => {
      if (mod.action === "setitem") count += 1;
      if (mod.value === n) seen();
    },
  );
  await subscriber.connect("127.0.0.1", server.sync);
  const published = async () => {
    count = 0;
    const all = new Promise((resolve) => {
      seen = resolve;
    });
    await Promise.all([rpc.burst(n), all]);
    if (count !== n) throw new Error(`${count} changes of ${n} arrived one by one`);
  };
  while (subscriber.target === undefined) await new Promise((resolve) => setTimeout(resolve, 1));
  await published();
  out.published_changes_per_s = await rate(published, n, 3);
  await subscriber.close();
  await client.close();
  return out;
}

async function notation() {
  const out = {};
  const array = new Float64Array(1_000_000).fill(1.5);
  const request = { action: "call", name: "set", args: [1, 2.5, "x"], kwargs: { a: [1, 2, 3] } };
  const list = Array.from({ length: 100_000 }, (_, i) => i);
  for (const name of ["v2", "v1"]) {
    const options = { notation: name };
    const texts = [array, request, list].map((value) => encode(value, options));
    out[name] = {
      write_1M_float64_MB_per_s: await rate(() => encode(array, options), 8),
      read_1M_float64_MB_per_s: await rate(() => decode(texts[0], options).data, 8),
      write_request_per_s: await rate(() => times(20_000, () => encode(request, options)), 20_000),
      read_request_per_s: await rate(() => times(20_000, () => decode(texts[1], options)), 20_000),
      write_list_items_per_s: await rate(() => encode(list, options), 100_000),
      read_list_items_per_s: await rate(() => decode(texts[2], options), 100_000),
    };
  }
  return out;
}

async function long(server) {
  const client = await Client.connect("127.0.0.1", server.rpc);
  const { rpc } = client;
  const calls = async (count) => {
    for (let i = 0; i < count / 1000; i += 1) await Promise.all(Array.from({ length: 1000 }, (_, k) => rpc.echo(k)));
  };
  await calls(200_000);
  const out = { server_rss_MB: [await rpc.memory()], client_rss_MB: [process.memoryUsage().rss] };
  for (let i = 0; i < 4; i += 1) {
    await calls(250_000);
    out.server_rss_MB.push(await rpc.memory());
    out.client_rss_MB.push(process.memoryUsage().rss);
  }
  // A subscriber that greets and then never reads.
  const stuck = connect(server.sync, "127.0.0.1", () => stuck.write("ARTIQ sync_struct\nstate\n"));
  stuck.on("error", () => {});
  stuck.pause();
  await new Promise((resolve) => setTimeout(resolve, 100));
  out.server_rss_MB_with_stuck_subscriber = [await rpc.memory()];
  for (let i = 0; i < 4; i += 1) {
    await rpc.burst(250_000);
    out.server_rss_MB_with_stuck_subscriber.push(await rpc.memory());
  }
  stuck.destroy();
  await client.close();
  for (const [key, values] of Object.entries(out)) out[key] = values.map((bytes) => Math.round(bytes / 1e6));
  return out;
}

const measure = async (server) => {
  const { stdout } = await promisify(execFile)(python, [here("rpc_peer.py"), "measure", String(server.rpc), String(server.sync)], {
    env: pythonEnv,
  });
  return JSON.parse(stdout);
};

const report = { node: process.version, cpus: cpus().length, load_before: loadavg()[0] };
const ours = await started(process.execPath, ["--expose-gc", here("rpc-server.mjs")], process.env);
try {
  report.own_client_own_server = await own(ours);
  report.notation = await notation();
  if (checkout !== undefined) {
    const real = await started(python, [here("rpc_peer.py"), "serve"], pythonEnv, "ignore");
    try {
      // In turns, so that what else the machine does hits both alike.
      const rounds = [];
      for (let i = 0; i < 3; i += 1) rounds.push([await measure(real), await measure(ours)]);
      const medians = (side) =>
        Object.fromEntries(
          Object.keys(rounds[0][side]).map((key) => [key, rounds.map((one) => one[side][key]).sort((a, b) => (a < b ? -1 : 1))[1]]),
        );
      const [theirs, mine] = [medians(0), medians(1)];
      report.python_clients = { real_server: theirs, our_server: mine, ratio: {} };
      for (const [key, value] of Object.entries(mine))
        if (typeof value === "number") report.python_clients.ratio[key] = value / theirs[key];
    } finally {
      await real.stop();
    }
  }
  if (process.argv.includes("--long")) report.long = await long(ours);
} finally {
  await ours.stop();
}
report.load_after = loadavg()[0];
console.log(JSON.stringify(report, (_, value) => round(value), 2));
