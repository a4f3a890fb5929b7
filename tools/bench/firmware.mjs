// Emulated chips with real firmware: how long an image takes to boot on 4 and 48 chips, what a booted machine costs while nobody asks it
// anything, and how many reads it answers as fast as it can.
//   npm run bench:firmware -- scamp.boot [--rounds 3]
import { readFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { connect } from "../../dist/index.js";
import { SiliconMachine } from "../../dist/simulator/index.js";

const { values, positionals } = parseArgs({ allowPositionals: true, options: { rounds: { type: "string", default: "3" } } });
if (positionals.length !== 1) {
  console.error("name an image of SC&MP: npm run bench:firmware -- scamp.boot");
  process.exit(2);
}
const image = new Uint8Array(readFileSync(positionals[0]));
const median = (numbers) => numbers.toSorted((a, b) => a - b)[numbers.length >> 1];

for (const board of ["spin3", "spin5"]) {
  const boots = [];
  for (let round = 0; round < Number(values.rounds); round += 1) {
    const started = performance.now();
    const machine = await SiliconMachine.start({ board, port: 0, image });
    await machine.ready;
    boots.push(performance.now() - started);
    if (round + 1 === Number(values.rounds)) await measure(board, machine, boots);
    await machine.close();
  }
}

async function measure(board, machine, boots) {
  const { chips } = machine;
  const instructions = machine.machine.instructions / 1e6;
  console.log(
    `${board}: ${chips.length} chips boot in ${(median(boots) / 1000).toFixed(2)} s, median of ${boots.length} (${instructions.toFixed(0)} million instructions, ${machine.machine.nowMs.toFixed(0)} ms of their time)`,
  );
  const [before, clock, from] = [process.cpuUsage(), machine.machine.nowMs, performance.now()];
  await new Promise((resolve) => setTimeout(resolve, 2000));
  const { user, system } = process.cpuUsage(before);
  const wall = performance.now() - from;
  console.log(
    `  at rest: ${((user + system) / 10 / wall).toFixed(0)} % of one CPU at ${((machine.machine.nowMs - clock) / wall).toFixed(2)} of real time`,
  );
  const { host, port } = machine.boards[0].address;
  const spinn = await connect(host, { port });
  const reads = 300;
  for (const [name, x, y] of [
    ["the Ethernet chip", 0, 0],
    ["its neighbour", 1, 1],
  ]) {
    const begin = performance.now();
    for (let i = 0; i < reads; i += 1) await spinn.readMemory({ x, y }, 0x60300000, 256);
    console.log(`  a read of 256 bytes from ${name}: ${((performance.now() - begin) / reads).toFixed(2)} ms in real time`);
  }
  await spinn.close();
}
