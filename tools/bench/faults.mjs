// Writes 16 MiB to a simulated board and reads them back, without and with faults (5 % loss each way, 2 % duplicates, 2 % reordering, 1 % busy
// codes) at the same delay, and prints one JSON object: times, their ratio, whether every byte came back.
//   node tools/bench/faults.mjs [--bytes 16M] [--delay 1] [--seed 1]
import { fork } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { connect } from "../../dist/index.js";
import { SimulatedMachine } from "../../dist/simulator/index.js";

const { values } = parseArgs({
  options: {
    bytes: { type: "string", default: "16M" },
    delay: { type: "string", default: "1" },
    seed: { type: "string", default: "1" },
    board: { type: "string" },
  },
});
const ADDRESS = 0x60640018;
const CHIP = { x: 0, y: 0 };

if (values.board !== undefined) {
  // The board, in a process of its own: its time must not be the client's.
  const machine = await SimulatedMachine.start({ board: "spin3", port: 0, seed: Number(values.seed), faults: JSON.parse(values.board) });
  process.send(machine.boards[0].address);
  process.once("message", () => machine.close().then(() => process.disconnect()));
} else {
  const bytes = Number.parseInt(values.bytes, 10) * (values.bytes.endsWith("M") ? 1 << 20 : 1);
  const delayMs = Number(values.delay);
  const path = { delayMs };
  const quiet = await measure(bytes, { toBoard: path, toHost: path });
  const bad = { ...path, loss: 0.05, duplicate: 0.02, reorder: 0.02 };
  const faulty = await measure(bytes, { toBoard: bad, toHost: bad, codes: [{ code: "P2P_BUSY", probability: 0.01 }] });
  console.log(
    JSON.stringify(
      { bytes, delayMsEachWay: delayMs, quiet, faulty, ratio: Number((faulty.seconds / quiet.seconds).toFixed(2)), bar: 3 },
      null,
      2,
    ),
  );
}

async function measure(bytes, faults) {
  const child = fork(fileURLToPath(import.meta.url), ["--board", JSON.stringify(faults), "--seed", values.seed]);
  const [{ host, port }] = await once(child, "message");
  const spinn = await connect(host, { port });
  const out = new Uint8Array(bytes);
  for (let i = 0, x = 1; i < bytes; i += 1) {
    x = (Math.imul(x, 1664525) + 1013904223) >>> 0;
    out[i] = x >>> 24;
  }
  const started = performance.now();
  await spinn.writeMemory(CHIP, ADDRESS, out);
  const back = await spinn.readMemory(CHIP, ADDRESS, bytes);
  const seconds = Number(((performance.now() - started) / 1000).toFixed(3));
  const { sent, resent, timeouts, earlyRepeats, retryCodeResent, duplicates, window } = spinn.connections[0].pipeline.counters;
  await spinn.close();
  child.send("end");
  await once(child, "exit");
  return { seconds, identical: Buffer.compare(out, back) === 0, sent, resent, timeouts, earlyRepeats, retryCodeResent, duplicates, window };
}
