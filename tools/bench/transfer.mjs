// Moves bytes through the public API against any board that speaks SCP, and prints one JSON object.
//   npm run bench:transfer -- --host H [--port P] [--window N] [--bytes 16M] [--op read|write] [--rounds 3] [--no-bare] [--json]
// Each measurement runs in a process of its own; pipeline and bare `node:dgram` take turns, the medians are printed.
// --window 0: found automatically. --json is the default and only output.
import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { connect } from "../../dist/index.js";
import { bareTransfer } from "./bare-client.mjs";

const BASE = 0x60000000;

const { values } = parseArgs({
  options: {
    host: { type: "string", default: process.env.SPINN_HOST ?? "127.0.0.1" },
    port: { type: "string", default: "17893" },
    window: { type: "string", default: "8" },
    bytes: { type: "string", default: "16M" },
    op: { type: "string", default: "read" },
    rounds: { type: "string", default: "3" },
    "no-bare": { type: "boolean", default: false },
    json: { type: "boolean", default: true },
    phase: { type: "string" },
  },
});
const settings = {
  host: values.host,
  port: Number(values.port),
  window: Number(values.window),
  bytes: size(values.bytes),
  op: values.op,
};
if (!["read", "write"].includes(settings.op)) fail(`--op must be read or write, not ${settings.op}`);
for (const name of ["port", "window", "bytes"])
  if (!Number.isInteger(settings[name]) || settings[name] < 0) fail(`--${name} is not a number`);

if (values.phase === undefined) {
  const ours = [];
  const bare = [];
  for (let round = 0; round < Number(values.rounds); round += 1) {
    ours.push(measureApart("pipeline"));
    if (!values["no-bare"]) bare.push(measureApart("bare"));
  }
  const report = { ...median(ours), ...(bare.length > 0 ? { bare: median(bare) } : {}) };
  console.log(JSON.stringify(report, null, 2));
} else {
  console.log(JSON.stringify(values.phase === "bare" ? await measureBare() : await measurePipeline()));
}

async function measurePipeline() {
  const { host, port, window, bytes, op } = settings;
  const spinn = await connect(host, { port, nChannels: window === 0 ? null : window });
  const data = new Uint8Array(bytes);
  const chip = { x: 0, y: 0 };
  const cpu = process.cpuUsage();
  const started = performance.now();
  if (op === "write") await spinn.writeMemory(chip, BASE, data);
  else await spinn.readInto(chip, BASE, bytes, data);
  const seconds = (performance.now() - started) / 1000;
  const { user, system } = process.cpuUsage(cpu);
  const { resent, timeouts } = spinn.connections[0].pipeline.counters;
  await spinn.close();
  return { ...figures(seconds, (user + system) / 1e6), resent, timeouts };
}

async function measureBare() {
  const { seconds, cpuSeconds } = await bareTransfer({ ...settings, window: settings.window || 8 });
  return figures(seconds, cpuSeconds);
}

function figures(seconds, cpuSeconds) {
  const { op, bytes, window } = settings;
  return {
    op,
    bytes,
    window: window === 0 ? null : window,
    seconds: round(seconds, 4),
    requestsPerSecond: Math.round(Math.ceil(bytes / 256) / seconds),
    mbitPerSecond: round((bytes * 8) / seconds / 1e6, 2),
    cpuSeconds: round(cpuSeconds, 4),
  };
}

function measureApart(phase) {
  const child = spawnSync(process.execPath, [fileURLToPath(import.meta.url), ...process.argv.slice(2), "--phase", phase], {
    encoding: "utf8",
  });
  if (child.status !== 0) fail(child.stderr.trim() || `${phase} ended with status ${child.status}`);
  return JSON.parse(child.stdout);
}

/** The run with the median time. */
function median(runs) {
  const sorted = [...runs].sort((a, b) => a.seconds - b.seconds);
  return sorted[Math.floor((sorted.length - 1) / 2)];
}

function size(text) {
  const match = /^(\d+)([KMG]?)$/.exec(text);
  if (!match) fail(`"${text}" is no size; write it as 4096, 64K, 16M or 1G`);
  return Number(match[1]) * 1024 ** ["", "K", "M", "G"].indexOf(match[2]);
}

function round(value, digits) {
  return Number(value.toFixed(digits));
}

function fail(message) {
  console.error(`bench: ${message}`);
  process.exit(2);
}
