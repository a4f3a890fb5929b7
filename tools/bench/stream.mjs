// Measures the streams against a blaster and a bare reader in the same run; prints JSON.
//   node tools/bench/stream.mjs --blaster PATH/imd_blaster.py [--python python3] [--rows 10,10000,1000000] [--reps 3] [--imdclient CHECKOUT]
// Without --blaster only what needs no other program is measured: the flat heap, the slow consumer, live events.
// The blaster takes `0 --atoms N --blocks tx --version 3 --frames F`, prints {"ready": port} and a line of JSON at the end of the session.
import { execFileSync, spawn } from "node:child_process";
import { createSocket } from "node:dgram";
import net from "node:net";
import { cpus } from "node:os";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { EventSender, IMDClient, IMDServer, LiveEvents, liveTag } from "../../dist/services/stream/index.js";
import { SimulatedMachine } from "../../dist/simulator/index.js";
import { Transceiver } from "../../dist/transceiver/index.js";
import { encodeEieioData } from "../../dist/wire/index.js";

const option = (name, fallback) => {
  const index = process.argv.indexOf(`--${name}`);
  return index < 0 ? fallback : process.argv[index + 1];
};
// Python needs half a minute for what the others read in a second, so with it the row of small frames is short.
const ROWS = {
  10: { blocks: "tx", frames: option("imdclient") === undefined ? 4_000_000 : 500_000 },
  1000: { blocks: "tx", frames: 100_000 },
  10000: { blocks: "x", frames: 40_000 },
  100000: { blocks: "x", frames: 3000 },
  1000000: { blocks: "x", frames: 300 },
};

// A reader or a check runs in a process of its own, so that no other leaves its garbage or its warmed-up code.
if (option("child") !== undefined) {
  const work = { client: readWithClient, bare: readBare, heap: flatHeap, slow: slowConsumer, serve, board: serveBoard, events: liveEvents }[
    option("child")
  ];
  console.log(JSON.stringify({ ...(await work()), rssMB: Math.round(process.resourceUsage().maxRSS / 1024) }));
  process.exit(0);
}

const report = { node: process.version, cpu: cpus()[0].model, cores: cpus().length, imd: [] };
const blaster = option("blaster");
const reps = Number(option("reps", "3"));
if (blaster !== undefined) {
  for (const atoms of option("rows", "10,10000,1000000").split(",")) {
    const readers = { client: [], bare: [] };
    if (option("imdclient") !== undefined) readers.imdclient = [];
    // Readers take turns, so that a busy spell of the machine hits all of them.
    for (let rep = 0; rep < reps; rep += 1) {
      for (const name of Object.keys(readers)) readers[name].push(await oneSession(name, Number(atoms)));
    }
    const median = (name) => readers[name]?.map((run) => run.fps).sort((a, b) => a - b)[Math.floor((reps - 1) / 2)];
    const row = { atoms: Number(atoms), ...ROWS[atoms], framesPerSecond: {}, runs: readers };
    for (const name of Object.keys(readers)) row.framesPerSecond[name] = Math.round(median(name));
    row.ofBare = round(median("client") / median("bare"));
    if (readers.imdclient !== undefined) row.timesImdclient = round(median("client") / median("imdclient"));
    report.imd.push(row);
  }
}
report.heap = child("heap", ["--expose-gc"]);
report.slowConsumer = child("slow");
report.liveEvents = child("events");
console.log(JSON.stringify(report, null, 1));

function child(name, flags = [], args = []) {
  const out = execFileSync(process.execPath, [...flags, fileURLToPath(import.meta.url), "--child", name, ...args], { encoding: "utf8" });
  return JSON.parse(out.trim().split("\n").at(-1));
}

async function oneSession(reader, atoms) {
  const { blocks, frames } = ROWS[atoms];
  const server = spawn(option("python", "python3"), [blaster, "0", "--atoms", `${atoms}`, "--blocks", blocks, "--frames", `${frames}`]);
  const lines = createInterface({ input: server.stdout })[Symbol.asyncIterator]();
  const { ready } = JSON.parse((await lines.next()).value);
  const args = ["--port", `${ready}`, "--atoms", `${atoms}`, "--frame-bytes", `${(blocks.includes("t") ? 32 : 0) + 8 + 12 * atoms}`];
  let result;
  if (reader === "imdclient") result = await pythonReader(ready, atoms);
  else {
    result = await new Promise((resolve, reject) => {
      const own = spawn(process.execPath, [fileURLToPath(import.meta.url), "--child", reader, ...args], {
        stdio: ["ignore", "pipe", "inherit"],
      });
      let text = "";
      own.stdout.on("data", (chunk) => (text += chunk));
      own.on("close", (code) =>
        code === 0 ? resolve(JSON.parse(text.trim().split("\n").at(-1))) : reject(new Error(`${reader} ended with ${code}`)),
      );
    });
  }
  const { pauses, held_s: heldS, fps } = JSON.parse((await lines.next()).value);
  server.kill();
  if (result.frames !== frames) throw new Error(`${reader} read ${result.frames} of ${frames} frames`);
  return { ...result, fps: result.fps ?? fps, pauses, heldS };
}

async function pythonReader(port, atoms) {
  const buffer = atoms > 800_000 ? 200_000_000 : 10 * 1024 * 1024;
  const program = `
import importlib.metadata, json, sys, time
importlib.metadata.version = lambda name: "0"
sys.path.insert(0, sys.argv[1])
from imdclient.IMDClient import IMDClient
client = IMDClient("127.0.0.1", int(sys.argv[2]), int(sys.argv[3]), buffer_size=int(sys.argv[4]))
frames, start = 0, time.perf_counter()
try:
    while True:
        client.get_imdframe(); frames += 1
except EOFError:
    pass
seconds = time.perf_counter() - start
print(json.dumps(dict(frames=frames, fps=frames / seconds)))
`;
  return new Promise((resolve, reject) => {
    const own = spawn(option("python", "python3"), ["-c", program, option("imdclient"), `${port}`, `${atoms}`, `${buffer}`]);
    let text = "";
    own.stdout.on("data", (chunk) => (text += chunk));
    own.on("close", (code) => (code === 0 ? resolve(JSON.parse(text)) : reject(new Error(`imdclient ended with ${code}`))));
  });
}

/** Our client as a user has it: every frame awaited, its step and a coordinate looked at. */
async function readWithClient() {
  const atoms = Number(option("atoms"));
  const options = atoms > 800_000 ? { bufferSizeBytes: 200_000_000 } : {};
  const client = await IMDClient.connect("127.0.0.1", Number(option("port")), atoms, options);
  const start = performance.now();
  let frames = 0;
  let wrong = 0;
  for await (const frame of client) {
    if (frame.positions[1] !== 0.25 || (frame.step ?? frames) !== frames) wrong += 1;
    frames += 1;
  }
  const seconds = (performance.now() - start) / 1000;
  return { frames, wrong, fps: frames / seconds, pausesSent: client.stats.pausesSent };
}

/** The least that Node can do: each byte copied once into one of eight frames, the headers not even looked at. */
function readBare() {
  const size = Number(option("frame-bytes"));
  const ring = Array.from({ length: 8 }, () => Buffer.alloc(size));
  let hello = 23;
  let at = 0;
  let frames = 0;
  let start = 0;
  return new Promise((resolve) => {
    const take = (count, chunk) => {
      let from = Math.min(hello, count);
      hello -= from;
      if (from > 0 && hello === 0) {
        socket.write(Uint8Array.of(0, 0, 0, 3, 0, 0, 0, 0));
        start = performance.now();
      }
      while (from < count) {
        const part = Math.min(count - from, size - at);
        chunk.copy(ring[frames & 7], at, from, from + part);
        from += part;
        at += part;
        if (at === size) {
          frames += 1;
          at = 0;
        }
      }
      return true;
    };
    const onread = { buffer: Buffer.alloc(256 * 1024), callback: take };
    const socket = net.connect({ port: Number(option("port")), host: "127.0.0.1", noDelay: true, onread });
    socket.on("end", () => resolve({ frames, fps: frames / ((performance.now() - start) / 1000) }));
  });
}

/** Heap after 20,000 frames and after 100,000 more, garbage collected, and the growth between. */
async function flatHeap() {
  const server = await IMDServer.listen(100, { blocks: ["time", "positions"] });
  const client = await IMDClient.connect("127.0.0.1", server.port, 100);
  const frame = server.createFrame();
  const total = 120_000;
  const sending = (async () => {
    for (let step = 0; step < total; step += 1) {
      frame.setTime(1, step, step);
      await server.sendFrame(frame);
    }
    await server.disconnect();
  })();
  const marks = [];
  let frames = 0;
  for await (const each of client) {
    if (each.step !== frames) throw new Error(`frame ${each.step} where ${frames} belongs`);
    frames += 1;
    if (frames % 20_000 === 0) {
      globalThis.gc();
      const { heapUsed, external, arrayBuffers } = process.memoryUsage();
      marks.push({
        frames,
        heapKB: Math.round(heapUsed / 1024),
        externalKB: Math.round(external / 1024),
        arrayBuffersKB: Math.round(arrayBuffers / 1024),
      });
    }
  }
  await sending;
  await server.close();
  return { frames, growthKB: marks.at(-1).heapKB - marks[0].heapKB, marks };
}

/** Serves frames of 10,000 atoms as fast as they are taken. */
async function serve() {
  const server = await IMDServer.listen(10_000, { blocks: ["time", "positions"] });
  process.stdout.write(`${server.port}\n`);
  const frame = server.createFrame();
  for (let step = 0; step < Number(option("frames")); step += 1) {
    frame.setTime(1, step, step);
    await server.sendFrame(frame);
  }
  await server.disconnect();
  await server.close();
  return { sent: server.framesSent, pausesTaken: server.pausesTaken };
}

/** A consumer more than ten times slower than the source: nothing may be lost, and memory stays within the buffer. */
async function slowConsumer() {
  const total = 1500;
  const server = ownProcess(["--child", "serve", "--frames", `${total}`]);
  const port = await firstNumber(server);
  const before = process.memoryUsage();
  const bufferMB = 10;
  const client = await IMDClient.connect("127.0.0.1", port, 10_000, { bufferSizeBytes: bufferMB * 2 ** 20 });
  let frames = 0;
  let mostMB = 0;
  for await (const each of client) {
    if (each.step !== frames) throw new Error(`frame ${each.step} where ${frames} belongs`);
    frames += 1;
    await new Promise((resolve) => setTimeout(resolve, 1));
    const now = process.memoryUsage();
    mostMB = Math.max(mostMB, (now.arrayBuffers + now.heapUsed - before.arrayBuffers - before.heapUsed) / 2 ** 20);
  }
  const { pausesSent, resumesSent, pausedMs, framesRead, frames: slots } = client.stats;
  const paused = { pausesSent, resumesSent, pausedMs: Math.round(pausedMs) };
  return { frames, lost: total - frames, framesRead, slots, ...paused, bufferMB, mostMemoryMB: round(mostMB) };
}

/** A simulated board with a core that sends 64 events a datagram through tag 1, as a gatherer does by default, once it gets an event. */
async function serveBoard() {
  const perSecond = Number(option("rate"));
  const total = Math.round((perSecond * Number(option("seconds"))) / 64);
  const emitter = () => {
    let core;
    let started = false;
    let due = 0;
    let sent = 0;
    return {
      start: (context) => (core = context),
      onSdp: () => (started = true),
      onTick: (elapsedMs) => {
        if (!started) return false;
        due = Math.min(total, due + (elapsedMs * perSecond) / 64_000);
        for (; sent < Math.floor(due); sent += 1) {
          const keys = Array.from({ length: 64 }, (_, i) => 64 * sent + i);
          const data = encodeEieioData({ type: 2, payloadBase: sent, payloadIsTime: true, keys });
          core.sendSdp({ tag: 1, destPort: 7, destCpu: 31, destX: 0, destY: 0, srcPort: 3, data });
        }
        return false;
      },
    };
  };
  const machine = await SimulatedMachine.start({ board: "spin3", port: 0, timeScale: 0, programs: emitter });
  const { host, port } = machine.boards[0].address;
  const transceiver = await Transceiver.connect({ host, port });
  // The smallest load table: what is behind it is never run, the emitter is.
  const image = new Uint8Array(new Uint32Array([2, 0, 0x20, 32, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]).buffer);
  await transceiver.load(image, [{ x: 0, y: 0, p: 1 }], { appId: 30 });
  await transceiver.close();
  process.stdout.write(`${port}\n`);
  return new Promise((resolve) => process.stdin.once("end", () => resolve({})).resume());
}

/** Live events of a simulated board in another process. */
async function liveEvents() {
  const perSecond = Number(option("events", "100000"));
  const seconds = 5;
  const board = ownProcess(["--child", "board", "--rate", `${perSecond}`, "--seconds", `${seconds}`]);
  const boardPort = await firstNumber(board);
  const socket = createSocket({ type: "udp4", recvBufferSize: 8 * 1024 * 1024 });
  await new Promise((resolve) => socket.bind(0, "127.0.0.1", resolve));
  const port = {
    onMessage: (listener) => {
      socket.on("message", listener);
      return () => socket.off("message", listener);
    },
    send: (datagram, to, host) =>
      new Promise((resolve, reject) => socket.send(datagram, to, host, (error) => (error ? reject(error) : resolve()))),
    close: () => new Promise((resolve) => socket.close(resolve)),
  };
  const live = await LiveEvents.open(port, { setTag: liveTag(port, "127.0.0.1", 1, { port: boardPort }) });
  const total = Math.round((perSecond * seconds) / 64) * 64;
  const start = performance.now();
  await new EventSender(port, { host: "127.0.0.1", port: boardPort, core: { x: 0, y: 0, p: 1 } }, { consume: async () => true }).send([1]);
  let events = 0;
  let outOfPlace = 0;
  let last = start;
  const reading = (async () => {
    for await (const frame of live) {
      if (frame.keys[0] !== events) outOfPlace += 1;
      events += frame.count;
      last = performance.now();
    }
  })();
  // Until everything has come, or nothing came for a second.
  while (events < total && performance.now() - last < 1000) await new Promise((resolve) => setTimeout(resolve, 20));
  await live.close();
  await reading;
  board.stdin.end();
  const rate = Math.round(events / ((last - start) / 1000));
  return {
    askedPerSecond: perSecond,
    eventsPerSecond: rate,
    sent: total,
    received: events,
    lost: total - events,
    outOfPlace,
    droppedByBuffer: live.stats.droppedEvents,
  };
}

function ownProcess(args) {
  return spawn(process.execPath, [fileURLToPath(import.meta.url), ...args], { stdio: ["pipe", "pipe", "inherit"] });
}

/** The port that a process of ours prints when it is ready. */
function firstNumber(child) {
  return new Promise((resolve, reject) => {
    child.stdout.once("data", (text) => resolve(Number.parseInt(text, 10)));
    child.once("exit", (code) => reject(new Error(`a process of this bench ended with ${code} before it was ready`)));
  });
}

function round(value) {
  return Math.round(value * 100) / 100;
}
