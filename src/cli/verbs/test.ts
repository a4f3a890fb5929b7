import { setTimeout as delay, setImmediate as turn } from "node:timers/promises";
import { Option } from "commander";
import { type ArmTrouble, dumpBacktrace, type ElfFile, InstructionCounts } from "../../emulator/index.js";
import { SpinnError } from "../../errors.js";
import {
  type CoreCoordinates,
  CoreState,
  coreStateName,
  formatCore,
  isCrashed,
  parseCoreState,
  readAplx,
  Signal,
  vcpuAddress,
} from "../../machine/index.js";
import type { SimulatedMachine } from "../../simulator/index.js";
import { type CoreText, Transceiver } from "../../transceiver/index.js";
import { DEFAULT_APP_ID } from "../app-id.js";
import { backtraceLines, readElf, writeCoreDumps } from "../core-dumps.js";
import { coreTexts } from "../core-text.js";
import { readInputFile } from "../file.js";
import { formatDuration, plural } from "../format.js";
import { type GdbChoice, gdbOption, serveGdb } from "../gdb.js";
import type { Job, Verb } from "../job.js";
import { parseDuration } from "../number.js";
import { PacketTrace } from "../packet-trace.js";
import { parseSelection, type Selection, selectCores } from "../place.js";
import { coverageTable, profileTable } from "../profile-table.js";
import { ExitStatus } from "../status.js";
import { textDifference } from "../text-difference.js";
import { asUsage, usage } from "../usage.js";

interface Options {
  readonly board: "spin3" | "spin5";
  readonly cores?: readonly string[];
  readonly for?: number;
  readonly expectIobuf?: string;
  readonly expectState?: readonly number[];
  readonly elf?: string;
  readonly dump?: string;
  readonly gdb?: GdbChoice;
  readonly profile?: boolean;
  readonly coverage?: boolean;
  readonly trace?: string;
}

const DEFAULT_FOR_MS = 10_000;
/** Time of the cores between two looks at their states, ms. */
const LOOK_MS = 5;
/** Wall time the cores may take before sockets are served again, ms. */
const BUDGET_MS = 20;
/** Wall time between two looks at whether a debugger lets the cores go on, ms. */
const PAUSE_MS = 5;
const CPU_STATE = 46;

export const verb: Verb = {
  configure: (command) =>
    void command
      .argument("<image>", "application: an APLX file, as spinnaker_tools make it")
      .addOption(
        new Option("--board <kind>", "spin3 (4 chips) or spin5 (48 chips) (default: spin3)").choices(["spin3", "spin5"]).default("spin3"),
      )
      .option("--cores <cores...>", "where: 0,0,1-4, a chip 1,0 for all its cores, @all (default: 0,0,1)")
      .option("--for <time>", "how long the cores run, by their own clocks; less when all of them end before (default: 10s)", (text) =>
        parseDuration("--for", text),
      )
      .option(
        "--expect-iobuf <file>",
        "their text must be that of the file: what this verb, or spinn iobuf, has printed for the same cores",
      )
      .option(
        "--expect-state <state>",
        "all must end in this state: EXIT; one of several: RUN+PAUSE (default: any but a crash)",
        readStates,
      )
      .option("--elf <file>", "the ELF file of the image, from the linker: names and source lines for what follows")
      .option("--dump <folder>", "write what is left of each core that fails: registers, calls, stack and both memories")
      .option("--profile", "count instructions by function; needs --elf")
      .option("--coverage", "say which source lines were never executed; needs --elf")
      .option("--trace <file>", "write every packet that cores send and receive, a JSON object per line")
      .addOption(gdbOption()),
  examples: [
    "test hello.aplx > hello.txt # run it on core 0,0,1 and keep its text",
    "test hello.aplx --expect-iobuf hello.txt --expect-state EXIT # status 1 when it says something else from then on",
    "test network.aplx --board spin5 --cores 0,0,1-4 1,1,1 --for 2s # two seconds of the cores' time; barriers are let through",
    "test app.aplx --elf app.elf --dump cores # when a core fails: the calls that led there on stderr, registers and memories in cores/",
    "test app.aplx --elf app.elf --gdb 3333 # stand before the program's first step until a gdb attaches and says continue",
    "test app.aplx --elf app.elf --profile --coverage # where the instructions went, and which lines were never executed",
  ],
  statuses: [1, 4, 5],
  async run(job, command) {
    const options = command.opts<Options>();
    const path = command.args[0]!;
    const selection = parseSelection(options.cores ?? ["0,0,1"]);
    const image = await readInputFile(path, "application");
    readAplx(image);
    const expected = options.expectIobuf === undefined ? undefined : await readInputFile(options.expectIobuf, "expected text");
    const elf = options.elf === undefined ? undefined : await readElf(options.elf);
    const counts = countsFor(options);
    const result = await runSimulated(job, image, selection, options, elf, counts);
    const dumps = result.troubles.flatMap(({ dump }) => dump ?? []);
    if (options.dump !== undefined) {
      const files = await writeCoreDumps(options.dump, dumps, elf);
      if (files.length > 0) job.say(`${plural(dumps.length, "dump")} written: ${files.join(" ")}`);
    }
    const difference = expected === undefined ? [] : textDifference(new TextDecoder().decode(expected), coreTexts(result.texts));
    const wrong = result.cores.filter(({ state }) => !isExpected(state, options.expectState));
    const asExpected = difference.length === 0 && wrong.length === 0;
    const data = {
      board: options.board,
      image: path,
      cores: result.cores.map(({ state, ...core }, i) => ({ ...core, state: coreStateName(state), text: result.texts[i]!.text })),
      ran: result.ranMs,
      asExpected,
      difference,
      wrongStates: wrong.map(({ state, ...core }) => ({ ...core, state: coreStateName(state) })),
      troubles: result.troubles.map(({ dump, ...trouble }) => ({
        ...trouble,
        ...(dump === undefined ? {} : { backtrace: dumpBacktrace(dump, elf) }),
      })),
      ...(options.profile ? { profile: counts!.profile(elf!) } : {}),
      ...(options.coverage ? { coverage: counts!.coverage(elf!) } : {}),
    };
    job.result(data, () => {
      if (expected === undefined) return coreTexts(result.texts);
      return difference.map((line) => `${line}\n`).join("");
    });
    if (!job.isJson && options.profile) job.say(profileTable(counts!.profile(elf!)).trimEnd());
    if (!job.isJson && options.coverage) job.say(coverageTable(counts!.coverage(elf!)).trimEnd());
    for (const core of wrong) job.terminal.complain(wrongState(core, options.expectState));
    if (difference.length > 0) job.terminal.complain(`the text is not that of ${options.expectIobuf}`);
    const verdict = asExpected && (expected !== undefined || options.expectState !== undefined) ? ", as expected" : "";
    const states = [...new Set(result.cores.map(({ state }) => coreStateName(state)))].join(" ");
    job.say(`${plural(result.cores.length, "core")} ran for ${formatDuration(result.ranMs)}: ${states}${verdict}`);
    return asExpected ? ExitStatus.DONE : ExitStatus.NO;
  },
};

interface CoreEnd extends CoreCoordinates {
  readonly state: number;
}

interface RunResult {
  readonly cores: readonly CoreEnd[];
  /** In the order of `cores`. */
  readonly texts: readonly CoreText[];
  /** Time that passed for the cores. */
  readonly ranMs: number;
  readonly troubles: readonly ArmTrouble[];
}

/** A machine in this process, an application loaded over its network; its time passes only as this function lets it. */
async function runSimulated(
  job: Job,
  image: Uint8Array,
  selection: Selection,
  options: Options,
  elf: ElfFile | undefined,
  counts: InstructionCounts | undefined,
): Promise<RunResult> {
  const [{ ArmMachine, armProgram }, { SimulatedMachine }] = await Promise.all([
    import("../../emulator/index.js"),
    import("../../simulator/index.js"),
  ]);
  const arm = new ArmMachine();
  const troubles: ArmTrouble[] = [];
  const onTrouble = (trouble: ArmTrouble): void => {
    troubles.push(trouble);
    const calls = elf === undefined || trouble.dump === undefined ? [] : backtraceLines(trouble.dump, elf);
    job.terminal.complain([`core ${formatCore(trouble)}: ${trouble.message}`, ...calls].join("\n"));
  };
  using trace = options.trace === undefined ? undefined : new PacketTrace(options.trace);
  const tracing = trace === undefined ? {} : { onPacket: trace.write };
  const programs = armProgram({ ...tracing, machine: arm, speed: 0, onTrouble, ...(counts === undefined ? {} : { counts }) });
  await using machine = await SimulatedMachine.start({ board: options.board, port: 0, timeScale: 0, programs, signal: job.signal });
  await using board = await Transceiver.connect({ ...machine.boards[0]!.address, signal: job.signal });
  const cores = selectCores(selection, (await board.discover(job.calls)).machine);
  const clocksPerMs = 1000 * arm.clockMhz;

  const loading = setInterval(() => arm.advance(arm.now + clocksPerMs, BUDGET_MS), 1);
  try {
    await board.load(image, cores, { appId: DEFAULT_APP_ID, wait: true, refills: 0, ...job.calls });
  } catch (error) {
    // Cores that crash before they wait are a result like others: the rest is started, and the verdict names them.
    if (!(error instanceof SpinnError) || error.code !== "ERR_SPINN_LOAD") throw error;
  } finally {
    clearInterval(loading);
    job.terminal.progress.clear();
  }

  const signal = (which: Signal): Promise<void> => board.sendSignal(which, { appId: DEFAULT_APP_ID, signal: job.signal });
  const begun = arm.now;
  // Whoever debugs takes the time it takes.
  const end = begun + (options.for ?? (options.gdb === undefined ? DEFAULT_FOR_MS : Infinity)) * clocksPerMs;
  await signal(Signal.START);
  await using gdb = await serveGdb(job, arm, options.gdb, options.elf);
  if (gdb !== undefined) arm.paused = true;
  while (arm.now < end) {
    while (arm.paused) await delay(PAUSE_MS, undefined, { signal: job.signal });
    const isThere = arm.advance(Math.min(arm.now + LOOK_MS * clocksPerMs, end), BUDGET_MS);
    await turn();
    job.signal.throwIfAborted();
    if (!isThere) continue;
    const states = new Set(cores.map((core) => stateOf(machine, core)).filter((state) => !hasEnded(state)));
    if (states.size === 0) break;
    if (states.size > 1) continue;
    // Whoever is left stands at the barrier: on a board the host would let them through now.
    if (states.has(CoreState.SYNC0)) await signal(Signal.SYNC0);
    else if (states.has(CoreState.SYNC1)) await signal(Signal.SYNC1);
  }
  const ends = cores.map((core) => ({ ...core, state: stateOf(machine, core) }));
  return { cores: ends, texts: await board.readIobufs(cores, job.calls), ranMs: (arm.now - begun) / clocksPerMs, troubles };
}

/** Nothing is counted unless it is asked for. Throws `ERR_SPINN_ARGUMENT` where the names for it are missing. */
function countsFor({ profile, coverage, elf, gdb }: Options): InstructionCounts | undefined {
  if (!profile && !coverage) return undefined;
  if (elf === undefined) throw usage(`--${profile ? "profile" : "coverage"} needs --elf`, "name the ELF file the image was made from");
  if (gdb !== undefined) throw usage("--gdb does not go with --profile and --coverage", "what a debugger steps through is not counted");
  return new InstructionCounts();
}

/** Looked up in the chip's memory: a core that is not there would have been refused before. */
function stateOf(machine: SimulatedMachine, { x, y, p }: CoreCoordinates): number {
  return machine.chip(x, y).memory.readByte(vcpuAddress(p) + CPU_STATE);
}

function hasEnded(state: number): boolean {
  return isCrashed(state) || state === CoreState.EXIT;
}

/** Without a state that is wanted, whatever an application comes to that was started and has not crashed. */
function isExpected(state: number, wanted: readonly number[] | undefined): boolean {
  return wanted?.includes(state) ?? (state >= CoreState.SARK && state <= CoreState.EXIT);
}

function wrongState(core: CoreEnd, wanted: readonly number[] | undefined): string {
  const instead = wanted === undefined ? "" : `, not ${wanted.map(coreStateName).join(" or ")}`;
  return `core ${formatCore(core)} is in state ${coreStateName(core.state)}${instead}`;
}

function readStates(text: string): number[] {
  return text.split("+").map((word) => asUsage(() => parseCoreState(word)));
}
