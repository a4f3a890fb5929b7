// Speed of the emulated CPU: million instructions a second of each engine on the application `work`, in ARM and in Thumb, on one thread; and the
// cost of cores that sleep.      node tools/setup.mjs --quiet && node tools/bench/emulator.mjs [--rounds 200]
import { readFileSync } from "node:fs";
import { parseArgs } from "node:util";
import * as emulator from "../../dist/emulator/index.js";
import { Chip } from "./emulator-chip.mjs";

const { values } = parseArgs({ options: { rounds: { type: "string", default: "60" } } });
const image = readFileSync(new URL("../../fixtures/apps/work.aplx", import.meta.url));
for (const engine of ["interpreter", "compiled"]) {
  for (const state of ["Thumb", "ARM"]) {
    const chip = new Chip();
    const machine = new emulator.ArmMachine();
    const choose = emulator.armProgram({ machine, engine, onTrouble: ({ message }) => console.error(message) });
    chip.setUser(1, 0, state === "ARM" ? 1 : 0);
    chip.setUser(1, 1, Number(values.rounds));
    chip.setUser(1, 2, 99);
    choose().start(chip.context(1, image));
    const started = performance.now();
    const before = process.cpuUsage();
    while (chip.state(1) !== 11 && performance.now() - started < 20_000) machine.advance(machine.now + 20_000_000);
    const wallMs = performance.now() - started;
    const cpuMs = process.cpuUsage(before).user / 1000;
    const rate = (ms) => (machine.instructions / ms / 1000).toFixed(0);
    const result = `${(machine.instructions / 1e6).toFixed(1)} million, result ${chip.user(1, 3).toString(16)}, state ${chip.state(1)}`;
    console.log(`${engine} ${state}: ${rate(cpuMs)} million instructions a second of CPU time, ${rate(wallMs)} of wall time (${result})`);
  }
}
