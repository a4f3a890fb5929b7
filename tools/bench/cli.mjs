// How long the command takes before anybody sees something: CPU of `spinn --help`, wall time of `spinn ps` on a simulated SpiNN-5.
// Least and median of several runs, each a process of its own.
import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

const MAIN = fileURLToPath(new URL("../../dist/cli/main.js", import.meta.url));
const RUNS = 9;
const HOST = "127.86.1.1";

/** CPU time of the children of this process so far, user and system, ms; Linux counts it in ticks of 10 ms. */
function childrenCpuMs() {
  const fields = readFileSync("/proc/self/stat", "utf8")
    .replace(/^.*\) /, "")
    .split(" ");
  return 10 * (Number(fields[13]) + Number(fields[14]));
}

async function measure(words) {
  const walls = [];
  const cpuBefore = childrenCpuMs();
  for (let i = 0; i < RUNS; i += 1) {
    const startedAt = performance.now();
    await promisify(execFile)(process.execPath, [MAIN, ...words]);
    walls.push(performance.now() - startedAt);
  }
  walls.sort((a, b) => a - b);
  return { words, leastMs: walls[0], medianMs: walls[RUNS >> 1], cpuMs: (childrenCpuMs() - cpuBefore) / RUNS };
}

const board = spawn(process.execPath, [MAIN, "simulate", "--board", "spin5", "--host", HOST], { stdio: ["ignore", "pipe", "inherit"] });
await once(board.stdout, "data");
const rows = [];
for (const words of [["--version"], ["--help"], ["ps", "--host", HOST], ["ps", "--all", "--host", HOST], ["info", "--host", HOST]]) {
  rows.push(await measure(words));
}
board.kill();
const bare = await promisify(execFile)(process.execPath, ["-e", "console.log(process.cpuUsage())"]);
console.log(
  `node ${process.version}, ${RUNS} runs each; an empty node reports ${bare.stdout.replace(/\s+/g, " ").trim()} microseconds of CPU`,
);
for (const { words, leastMs, medianMs, cpuMs } of rows) {
  const name = `spinn ${words.join(" ")}`.padEnd(36);
  console.log(`${name} wall least ${leastMs.toFixed(0)} ms, median ${medianMs.toFixed(0)} ms; CPU ${cpuMs.toFixed(0)} ms`);
}
const [help, ps] = [rows[1], rows[2]];
console.log(
  `spinn --help under 150 ms of CPU: ${help.cpuMs < 150 ? "yes" : "no"}; spinn ps under 0.5 s: ${ps.medianMs < 500 ? "yes" : "no"}`,
);
