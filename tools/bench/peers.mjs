// The others of the comparison: a board to talk to, a C client, SpiNNMan. Each is found through an option or an environment variable.
import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { accessSync, constants, readdirSync } from "node:fs";
import { dirname, join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

const here = dirname(fileURLToPath(import.meta.url));
const run = promisify(execFile);
/** Debian's Python, whose python3-* packages SpiNNMan needs. */
const PYTHON = "/usr/bin/python3";
/** Nothing here takes longer; a peer that hangs must not hang the table. */
const LIMIT_MS = 300_000;

export class Peers {
  #boards = new Set();
  #stop = new AbortController();
  #nextAddress = 1;

  /** Paths of the board binary, the C client and the folder of SpiNNMan's checkouts; what cannot be used is `undefined`. */
  constructor({ board, client, spinnman }) {
    this.board = executable(board);
    this.client = executable(client);
    this.spinnman = checkouts(spinnman);
  }

  /** What was not found, in words. */
  get missing() {
    return [
      ...(this.board ? [] : ["no board binary (SPINN_BENCH_BOARD): measured against the project's simulated board, which is slower"]),
      ...(this.client ? [] : ["no C client (SPINN_BENCH_CLIENT): its row is left out"]),
      ...(this.spinnman ? [] : ["no SpiNNMan (SPINN_BENCH_SPINNMAN, a folder with its checkouts): its rows are left out"]),
    ];
  }

  /** Starts a board with faults; options are those of the board binary. Each has a loopback address of its own. */
  async startBoard({ delayUs = 0, lossEachWay = 0, loss = 0, busy = 0, seed = 1 } = {}) {
    const host = `127.78.0.${this.#nextAddress}`;
    this.#nextAddress = (this.#nextAddress % 250) + 1;
    const faults = Object.entries({ "-D": delayUs, "-i": lossEachWay, "-o": lossEachWay, "-l": loss, "-b": busy })
      .filter(([, value]) => value > 0)
      .flatMap(([flag, value]) => [flag, String(value)]);
    const args = ["-H", host, "-p", "0", "-s", String(seed), ...faults];
    const [command, before] = this.board ? [this.board, []] : [process.execPath, [join(here, "simulated-board.mjs")]];
    const child = spawn(command, [...before, ...args], { stdio: ["ignore", "pipe", "inherit"] });
    this.#boards.add(child);
    const lines = createInterface({ input: child.stdout });
    const first = await Promise.race([once(lines, "line").then(([line]) => line), once(child, "exit").then(() => undefined)]);
    if (first === undefined) throw new Error(`the board did not start: ${command} ${args.join(" ")}`);
    return { host, port: JSON.parse(first).port, pid: child.pid, stop: () => this.#end(child) };
  }

  /** Runs `work` with a board and stops the board. */
  async withBoard(options, work) {
    const board = await this.startBoard(options);
    try {
      return await work(board);
    } finally {
      await board.stop();
    }
  }

  /** One of our jobs, in a process of its own. */
  async job(settings) {
    return parse(await run(process.execPath, [join(here, "job.mjs"), JSON.stringify(settings)], this.#limits));
  }

  /** The C client repeats each request by itself after `repeatMs`. */
  async readByC({ host, port }, { window, bytes, repeatMs }) {
    const args = ["-H", host, "-p", String(port), "-w", String(window), "-n", String(bytes), "-o", "read", "-t", String(repeatMs)];
    return parse(await run(this.client, args, this.#limits));
  }

  /** `api`: `pipeline` (window 8) or `process` (all defaults). */
  async readBySpinnman({ host, port }, { bytes, api }) {
    const args = [join(here, "spinnman_read.py"), this.spinnman, host, String(port), String(bytes), api];
    return parse(await run(PYTHON, args, this.#limits));
  }

  /** Ends every board and every client under way. */
  async close() {
    this.#stop.abort();
    await Promise.all([...this.#boards].map((child) => this.#end(child)));
  }

  get #limits() {
    return { timeout: LIMIT_MS, signal: this.#stop.signal };
  }

  async #end(child) {
    this.#boards.delete(child);
    if (child.exitCode !== null || child.signalCode !== null) return;
    child.kill("SIGKILL"); // a stopped process hears nothing else
    await once(child, "exit");
  }
}

function parse({ stdout }) {
  return JSON.parse(stdout.trim().split("\n").at(-1));
}

function executable(path) {
  if (!path) return undefined;
  try {
    accessSync(path, constants.X_OK);
    return path;
  } catch {
    return undefined;
  }
}

function checkouts(folder) {
  if (!folder) return undefined;
  try {
    accessSync(PYTHON, constants.X_OK);
    const names = readdirSync(folder);
    return ["SpiNNMan", "SpiNNUtils", "SpiNNMachine"].every((name) => names.some((each) => each.endsWith(name))) ? folder : undefined;
  } catch {
    return undefined;
  }
}
