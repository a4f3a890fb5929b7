// How fast the simulated machine answers 256-byte reads at window 8, beside a bare `node:dgram` echo of the same sizes in the same run, and what
// 1, 3 and 24 boards cost to start and to hold. Prints one JSON object.
//   npm run bench:simulator -- [--bytes 16M] [--rounds 3]
import { fork } from "node:child_process";
import { createSocket } from "node:dgram";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { SimulatedMachine } from "../../dist/simulator/index.js";
import { bareTransfer } from "./bare-client.mjs";

const { values } = parseArgs({
  options: { bytes: { type: "string", default: "16M" }, rounds: { type: "string", default: "3" }, role: { type: "string" } },
});
/** Boards, as the board option of the simulated machine. */
const MACHINES = { 1: "spin5", 3: { triads: [1, 1] }, 24: { triads: [4, 2] } };

if (values.role === "echo") await echo();
else if (values.role !== undefined) await machine(values.role);
else {
  const bytes = Number.parseInt(values.bytes, 10) * (values.bytes.endsWith("M") ? 1 << 20 : 1);
  const rates = { simulator: [], echo: [] };
  for (let round = 0; round < Number(values.rounds); round += 1) {
    rates.simulator.push(await rate("1", bytes));
    rates.echo.push(await rate("echo", bytes));
  }
  const boards = {};
  for (const count of Object.keys(MACHINES)) {
    const { child, hello } = await start(count);
    boards[count] = { startMs: hello.startMs, residentMB: hello.residentMB };
    await end(child);
  }
  const simulator = median(rates.simulator);
  const bare = median(rates.echo);
  console.log(
    JSON.stringify({ bytes, requestsPerSecond: { simulator, echo: bare }, ratio: round2(simulator / bare), bar: 0.6, boards }, null, 2),
  );
}

async function rate(role, bytes) {
  const { child, hello } = await start(role);
  const { seconds } = await bareTransfer({ host: hello.host, port: hello.port, window: 8, bytes, op: "read" });
  await end(child);
  return Math.round(bytes / 256 / seconds);
}

async function start(role) {
  const child = fork(fileURLToPath(import.meta.url), ["--role", role]);
  const [hello] = await once(child, "message");
  return { child, hello };
}

async function end(child) {
  child.send("end");
  await once(child, "exit");
}

/** A simulated machine, until the parent says end. */
async function machine(role) {
  const started = performance.now();
  const simulated = await SimulatedMachine.start({ board: MACHINES[role], host: "127.91.0.1", port: 0 });
  const startMs = Math.round(performance.now() - started);
  process.send({ ...simulated.boards[0].address, startMs, residentMB: Math.round(process.memoryUsage().rss / 1e6) });
  await once(process, "message");
  await simulated.close();
  process.disconnect();
}

/** Answers every request with a reply of 256 data bytes, and does nothing else. */
async function echo() {
  const socket = createSocket("udp4");
  const reply = Buffer.alloc(14 + 256);
  socket.on("message", (request, { port, address }) => {
    request.copy(reply, 12, 12, 14);
    reply[10] = 0x80;
    socket.send(Buffer.from(reply), port, address);
  });
  socket.bind(0, "127.0.0.1");
  await once(socket, "listening");
  process.send({ host: "127.0.0.1", port: socket.address().port });
  await once(process, "message");
  socket.close();
  process.disconnect();
}

function median(numbers) {
  return [...numbers].sort((a, b) => a - b)[Math.floor((numbers.length - 1) / 2)];
}

function round2(value) {
  return Number(value.toFixed(2));
}
