// Speed of the emulated CPU: million instructions a second of each engine on the application `work`, in ARM and in Thumb, on one thread; and the
// cost of cores that sleep.      node tools/setup.mjs --quiet && node tools/bench/emulator.mjs [--rounds 400] [--idle: only the sleeping cores]
import { readFileSync } from "node:fs";
import { parseArgs } from "node:util";
import * as emulator from "../../dist/emulator/index.js";
import { Chip } from "./emulator-chip.mjs";

const { values } = parseArgs({ options: { rounds: { type: "string", default: "400" }, idle: { type: "boolean" } } });
const image = readFileSync(new URL("../../fixtures/apps/work.aplx", import.meta.url));
for (const engine of process.argv.includes("--idle") ? [] : ["interpreter", "compiled"]) {
  for (const state of ["Thumb", "ARM"]) {
    const chip = new Chip();
    const machine = new emulator.ArmMachine();
    const choose = emulator.armProgram({ machine, engine, speed: 0, onTrouble: ({ message }) => console.error(message) });
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

// 48 chips with 17 sleeping cores each under the behavioural monitor, in real time: share of one CPU, of which the simulated machine itself.
const { SimulatedMachine } = await import("../../dist/simulator/index.js");
const { encodeScpRequest } = await import("../../dist/wire/index.js");
const machine = new emulator.ArmMachine();
const simulated = await SimulatedMachine.start({ board: "spin5", port: 0, timeScale: 0, programs: emulator.armProgram({ machine }) });
const { host, port } = simulated.boards[0].address;
const socket = (await import("node:dgram")).createSocket("udp4");
socket.bind(0, "127.0.0.1");
let sequence = 0;
const ask = (x, y, command, arg1, arg2, arg3, data = new Uint8Array()) =>
  new Promise((resolve) => {
    socket.once("message", resolve);
    const header = { flags: 0x87, tag: 0xff, destPort: 0, destCpu: 0, srcPort: 7, srcCpu: 31, destX: x, destY: y, srcX: 0, srcY: 0 };
    socket.send(encodeScpRequest({ ...header, command, sequence: sequence++ & 0xffff, arg1, arg2, arg3, data }), port, host);
  });
const echo = readFileSync(new URL("../../fixtures/apps/echo.aplx", import.meta.url));
const share = async () => {
  await new Promise((resolve) => setTimeout(resolve, 4000)); // until every core has answered the watchdog often enough to be compiled
  const [before, clock, started] = [process.cpuUsage(), machine.now, performance.now()];
  await new Promise((resolve) => setTimeout(resolve, 3000));
  const { user, system } = process.cpuUsage(before);
  const wallMs = performance.now() - started;
  return `${((user + system) / 10 / wallMs).toFixed(1)} % of one CPU, ${((machine.now - clock) / 200_000 / wallMs).toFixed(2)} of real time`;
};
for (const { x, y } of simulated.geometry.chips()) {
  for (let at = 0; at < echo.length; at += 256)
    await ask(x, y, 3, 0x67800000 + at, Math.min(256, echo.length - at), 2, echo.subarray(at, at + 256));
  await ask(x, y, 19, ((30 << 24) | 0x3fffe) >>> 0, 0, 0);
}
console.log(`48 chips, ${machine.coreCount} sleeping cores: ${await share()}`);
socket.close();
await simulated.close();
