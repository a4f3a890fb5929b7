// One measurement in a process of its own: `node job.mjs '{"job":"read","host":...}'` prints one JSON object. Started by compare.mjs.
import { rm } from "node:fs/promises";
import { SCPRequestPipeLine, UDPConnection } from "../../dist/connections/index.js";
import { connect } from "../../dist/index.js";
import { bareTransfer } from "./bare-client.mjs";

const BASE = 0x60000000;
const MIB = 1 << 20;
const SDRAM_BYTES = 128 * MIB;
const WARM_UP_BYTES = MIB;

const jobs = { read, bare, growth, boards, lost, dead, save };
const settings = JSON.parse(process.argv[2]);
console.log(JSON.stringify(await jobs[settings.job](settings)));

/** Reads `bytes` through the public API, 128 MiB of each chip. `window` null: found automatically. */
async function read({ host, port, window, bytes, warm = true }) {
  const spinn = await connect(host, { port, nChannels: window });
  const into = new Uint8Array(Math.min(bytes, SDRAM_BYTES)).fill(1);
  if (warm) await readBytes(spinn, Math.min(bytes, WARM_UP_BYTES), into);
  const run = await timed(() => readBytes(spinn, bytes, into));
  const { resent, timeouts, earlyRepeats } = spinn.connections[0].pipeline.counters;
  await spinn.close();
  return { ...run, resent, timeouts, earlyRepeats };
}

async function readBytes(spinn, bytes, into) {
  for (let done = 0; done < bytes; done += SDRAM_BYTES) {
    const chip = { x: done / SDRAM_BYTES, y: 0 };
    await spinn.readInto(chip, BASE, Math.min(SDRAM_BYTES, bytes - done), into);
  }
}

/**
 * Reads of several sizes one after another, twice over; small ones several times up to `enough` bytes. The least seconds and CPU seconds per
 * byte of each size: what other programs did meanwhile is none of its cost.
 */
async function growth({ host, port, sizes, enough }) {
  const spinn = await connect(host, { port });
  const into = new Uint8Array(SDRAM_BYTES).fill(1);
  await readBytes(spinn, WARM_UP_BYTES, into);
  const runs = sizes.map(() => []);
  for (const [i, bytes] of [...sizes.entries(), ...sizes.entries()]) {
    for (let read = 0; read < Math.max(bytes, enough); read += bytes) runs[i].push(await timed(() => readBytes(spinn, bytes, into)));
  }
  const least = (what) => sizes.map((bytes, i) => Math.min(...runs[i].map((run) => run[what])) / bytes);
  const perByte = least("seconds");
  const cpuPerByte = least("cpuSeconds");
  await spinn.close();
  return { perByte, cpuPerByte };
}

/** The same packets by node:dgram alone. */
async function bare({ host, port, window, bytes }) {
  await bareTransfer({ host, port, window, bytes: WARM_UP_BYTES, op: "read" });
  return bareTransfer({ host, port, window, bytes, op: "read" });
}

/** Reads `bytes` from each of several boards at once, from this one process. */
async function boards({ places, bytes }) {
  const machines = await Promise.all(places.map(({ host, port }) => connect(host, { port })));
  const into = new Uint8Array(bytes);
  const readAll = (size) => Promise.all(machines.map((spinn) => spinn.readInto({ x: 0, y: 0 }, BASE, size, into)));
  await readAll(bytes / 16);
  const run = await timed(() => readAll(bytes));
  await Promise.all(machines.map((spinn) => spinn.close()));
  return { ...run, bytesPerSecond: (bytes * places.length) / run.seconds };
}

/** Single warm reads, one packet swallowed on its way out: how long until it is sent again. */
async function lost({ host, port, reads }) {
  const udp = await UDPConnection.open({ remoteHost: host, remotePort: port });
  const sentAt = [];
  let swallow = false;
  const lossy = {
    remote: udp.remote,
    closed: false,
    subscribe: (listener) => udp.subscribe(listener),
    close: () => udp.close(),
    send(datagram) {
      sentAt.push(performance.now());
      if (!swallow) udp.send(datagram);
      swallow = false;
    },
  };
  const pipeline = new SCPRequestPipeLine(lossy, { nChannels: null });
  for (let i = 0; i < 32; i += 1) await pipeline.call(readBlock());
  const waits = [];
  for (let i = 0; i < reads; i += 1) {
    for (let between = 0; between < 4; between += 1) await pipeline.call(readBlock());
    sentAt.length = 0;
    swallow = true;
    await pipeline.call(readBlock());
    waits.push(sentAt[1] - sentAt[0]);
  }
  pipeline.close();
  await udp.close();
  waits.sort((a, b) => a - b);
  return { medianMs: waits[waits.length >> 1], worstMs: waits[waits.length - 1] };
}

function readBlock() {
  return {
    ...{ command: 2, x: 0, y: 0, p: 0, arg1: BASE, arg2: 256, arg3: 2 },
    ...{ repeatable: true, minReply: 256, maxReply: 256 },
    decode: (datagram) => datagram.subarray(14),
    describe: () => "READ 256 bytes",
  };
}

/** The board stops (its process is stopped, its port stays open) while it is being read: how long until the error, and which. */
async function dead({ host, port, boardPid, bytes }) {
  const spinn = await connect(host, { port });
  const into = new Uint8Array(bytes);
  await spinn.readInto({ x: 0, y: 0 }, BASE, bytes, into);
  process.kill(boardPid, "SIGSTOP");
  const started = performance.now();
  const error = await spinn.readInto({ x: 0, y: 0 }, BASE, bytes, into).catch((reason) => reason);
  const seconds = (performance.now() - started) / 1000;
  await spinn.close();
  return { seconds, code: error?.code, message: error?.message };
}

/** Reads `bytes` from 128 MiB of each of several chips into one file; the most memory that the process ever had. */
async function save({ host, port, bytes, path }) {
  const spinn = await connect(host, { port });
  const ranges = [];
  for (let done = 0; done < bytes; done += SDRAM_BYTES)
    ranges.push({ x: done / SDRAM_BYTES, y: 0, address: BASE, length: Math.min(SDRAM_BYTES, bytes - done) });
  try {
    const run = await timed(() => spinn.saveMemory(ranges, path));
    return { ...run, residentBytes: process.resourceUsage().maxRSS * 1024 };
  } finally {
    await spinn.close();
    await rm(path, { force: true });
  }
}

async function timed(work) {
  const cpu = process.cpuUsage();
  const started = performance.now();
  await work();
  const seconds = (performance.now() - started) / 1000;
  const { user, system } = process.cpuUsage(cpu);
  return { seconds, cpuSeconds: (user + system) / 1e6 };
}
