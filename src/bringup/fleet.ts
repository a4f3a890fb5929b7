import { rm, rmdir } from "node:fs/promises";
import { join } from "node:path";
import Bottleneck from "bottleneck";
import PQueue from "p-queue";
import { abortError, checkInteger, SpinnError, throwIfAborted } from "../errors.js";
import { bmpKey } from "./board-access.js";
import type { BringupDevices } from "./devices.js";
import { checkWritable, type FileShelf } from "./files.js";
import { type FleetBoard, readAll, type ScriptFor, scriptOf } from "./fleet-board.js";
import { countBoards, type FleetBoardReport, type FleetReport } from "./fleet-report.js";
import { formatJunit } from "./junit.js";
import { OnceForAll } from "./once.js";
import { pause } from "./pause.js";
import { type Plan, planBringup } from "./plan.js";
import type { BringupReport } from "./report.js";
import { type BringupEvent, DONE_EARLIER, isAbort, runBoard, writeReport } from "./run.js";
import type { Once, Script } from "./script.js";

/**
 * Where boards come from: a list, which is checked as a whole before the first packet, or a function that yields them as it gets them. It is
 * asked for the next board when there is room for one, and told to end (`return`) when no more are wanted; its signal fires when the run ends.
 */
export type BoardSource = readonly FleetBoard[] | ((signal: AbortSignal) => AsyncIterable<FleetBoard> | Iterable<FleetBoard>);

/** What happens in a run for many boards. Events of one board carry its name. */
export type FleetEvent =
  | BringupEvent
  /** `boards`: names, where they are known at the start. */
  | { readonly type: "fleet-start"; readonly script: string; readonly boards: readonly string[] | undefined; readonly atOnce: number }
  /** A board whose run did not begin: its script or its files are wrong, or it cannot be resumed. */
  | { readonly type: "refused"; readonly board: string; readonly error: ReturnType<SpinnError["toJSON"]> }
  | { readonly type: "replaced"; readonly board: string; readonly by: string }
  /** Always the last one. */
  | { readonly type: "fleet-end"; readonly report: FleetReport };

export interface FleetOptions {
  /** Boards under way at a time, 1 to 256. Default 8. */
  readonly atOnce?: number | undefined;
  /** Least time between two boards that are switched on through the same BMP, ms. Default 0: as soon as the BMP is free. */
  readonly powerSpacingMs?: number | undefined;
  /** End the others when a board fails. Default `false`. */
  readonly failFast?: boolean | undefined;
  /** Leave boards that an earlier run brought up, and go on with the others where they were. Default `false`. */
  readonly resume?: boolean | undefined;
  /**
   * Folder with a file per board that remembers its finished steps until all boards are up; `false`: none. Default: the script's path with
   * `.state` behind it; none for scripts without path.
   */
  readonly stateFolder?: string | false | undefined;
  /** Folder with a folder per board to which its output files are written. Default: the current one. */
  readonly outputFolder?: string | undefined;
  /** File to which the report is written as JSON, however the run ends. Default: none. */
  readonly reportPath?: string | undefined;
  /** File to which the report is written as JUnit XML, however the run ends. Default: none. */
  readonly junitPath?: string | undefined;
  /**
   * Told of a board that did not come up; may give another, which takes its place. Called again when that one is bad too, at most
   * {@link MAX_REPLACEMENTS} times for one place. Default: nobody takes its place.
   */
  readonly replace?: ((bad: FleetBoard, error: SpinnError, signal: AbortSignal) => Promise<FleetBoard | undefined>) | undefined;
  /** Ends every board's run, with the state of each in the report. */
  readonly signal?: AbortSignal | undefined;
  /** What it throws ends the run. */
  readonly onProgress?: ((event: FleetEvent) => void) | undefined;
  /** Ways to a board. Default: the network. */
  readonly devices?: BringupDevices | undefined;
}

const AT_ONCE = 8;
/** Boards that may follow each other in one place. */
export const MAX_REPLACEMENTS = 3;

/**
 * Runs a script for many boards, some at a time. A board that fails does not stop the others. Power commands to one BMP follow each other,
 * to different ones go side by side.
 *
 * Resolves with the report, also when boards failed and when the signal fired. Rejects before the first packet when a list of boards or a
 * script is wrong (`ERR_SPINN_ARGUMENT`, `ERR_SPINN_SCRIPT`), later only for what the source throws, reports that cannot be written
 * (`ERR_SPINN_FILE`), and mistakes of the program.
 */
export async function runFleet(scriptFor: ScriptFor, boards: BoardSource, options: FleetOptions = {}): Promise<FleetReport> {
  throwIfAborted(options.signal);
  checkInteger("atOnce", options.atOnce ?? AT_ONCE, 1, 256);
  checkInteger("powerSpacingMs", options.powerSpacingMs ?? 0, 0, 3_600_000);
  const shelf: FileShelf = new Map();
  await checkWritable([options.reportPath, options.junitPath]);
  const scripts = Array.isArray(boards) ? await readAll(scriptFor, boards, shelf) : undefined;
  return new Fleet(scriptFor, boards, options, shelf, scripts).go();
}

/** What {@link runFleet} would do for each board of a list. Checks all that it checks before the first packet, and sends none. */
export async function planFleet(
  scriptFor: ScriptFor,
  boards: readonly FleetBoard[],
  options: Pick<FleetOptions, "resume" | "stateFolder"> = {},
): Promise<readonly (Plan & { readonly name: string })[]> {
  const scripts = await readAll(scriptFor, boards, new Map());
  const plans: (Plan & { readonly name: string })[] = [];
  for (const board of boards) {
    const script = scripts.get(board.name)!;
    const statePath = statePathOf(script, board, options.stateFolder);
    plans.push({ name: board.name, ...(await planBringup(script, { board: board.address, resume: options.resume, statePath })) });
  }
  return plans;
}

class Fleet {
  readonly #scriptFor: ScriptFor;
  readonly #list: readonly FleetBoard[] | undefined;
  readonly #source: (signal: AbortSignal) => AsyncIterable<FleetBoard> | Iterable<FleetBoard>;
  readonly #options: FleetOptions;
  readonly #shelf: FileShelf;
  readonly #scripts: ReadonlyMap<string, Script> | undefined;
  readonly #ends = new AbortController();
  readonly #signal: AbortSignal;
  readonly #turns: Bottleneck.Group;
  readonly #once = new OnceForAll();
  /** In the order in which boards came. */
  readonly #reports: FleetBoardReport[] = [];
  readonly #statePaths = new Set<string>();
  readonly #startedAt = new Date();
  readonly #began = performance.now();
  #scriptName = "script";
  #fault: unknown;

  constructor(
    scriptFor: ScriptFor,
    boards: BoardSource,
    options: FleetOptions,
    shelf: FileShelf,
    scripts: ReadonlyMap<string, Script> | undefined,
  ) {
    this.#scriptFor = scriptFor;
    this.#list = typeof boards === "function" ? undefined : boards;
    this.#source = typeof boards === "function" ? boards : () => boards;
    this.#options = options;
    this.#shelf = shelf;
    this.#scripts = scripts;
    this.#signal = options.signal === undefined ? this.#ends.signal : AbortSignal.any([options.signal, this.#ends.signal]);
    this.#turns = new Bottleneck.Group({ maxConcurrent: 1 });
    this.#scriptName = scripts?.values().next().value?.name ?? this.#scriptName;
  }

  async go(): Promise<FleetReport> {
    const atOnce = this.#options.atOnce ?? AT_ONCE;
    await (this.#options.resume === true ? this.#markDone() : this.#forgetAll());
    this.#tell({ type: "fleet-start", script: this.#scriptName, boards: this.#list?.map(({ name }) => name), atOnce });
    try {
      await this.#runAll(atOnce);
    } finally {
      // Ends the rest behind the last turn of a BMP.
      this.#ends.abort();
      for (const { limiter } of this.#turns.limiters()) await limiter.stop({ dropWaitingJobs: true });
      await this.#turns.disconnect();
    }
    if (this.#fault !== undefined) throw this.#fault;
    return this.#finish();
  }

  /** One task of the queue is one place: it takes the next board when its turn comes, so that no board waits in vain. */
  async #runAll(atOnce: number): Promise<void> {
    const queue = new PQueue({ concurrency: atOnce });
    const source = this.#source(this.#signal);
    const iterator = Symbol.asyncIterator in source ? source[Symbol.asyncIterator]() : source[Symbol.iterator]();
    let isOver = false;
    let pull: Promise<unknown> = Promise.resolve();
    // A generator answers one question at a time; so do we ask.
    const next = (): Promise<FleetBoard | undefined> => {
      const asked = pull.then(async () => {
        if (isOver || this.#signal.aborted) return undefined;
        const { done, value } = await iterator.next();
        isOver ||= done === true;
        return done === true ? undefined : value;
      });
      pull = asked.catch(() => undefined);
      return asked;
    };
    const place = async (): Promise<void> => {
      try {
        const board = await next();
        if (board !== undefined) await this.#place(board);
      } catch (error) {
        // What the source or the program did wrong ends the run; boards that fail do not come here.
        this.#fault ??= error;
        this.#ends.abort(error);
      }
    };
    while (!isOver && !this.#signal.aborted) {
      void queue.add(place);
      await queue.onSizeLessThan(1);
    }
    await queue.onIdle();
    if (!isOver) await iterator.return?.();
  }

  /** Brings a board up, or the one that comes in its place. */
  async #place(first: FleetBoard): Promise<void> {
    let board = first;
    for (let spare = 0; ; spare++) {
      if (this.#reports.some((report) => report.board === board.name)) {
        throw new SpinnError("ERR_SPINN_ARGUMENT", `two boards are called "${board.name}"`);
      }
      const at = this.#reports.length;
      this.#reports.push(notBegun(board));
      const error = await this.#run(board, at);
      if (error === undefined || isAbort(error)) return;
      const other = spare < MAX_REPLACEMENTS ? await this.#options.replace?.(board, error, this.#signal) : undefined;
      if (other === undefined) {
        if (this.#options.failFast === true) this.#ends.abort(new Error(`${board.name} failed`));
        return;
      }
      this.#reports[at] = { ...this.#reports[at]!, replacedBy: other.name };
      this.#tell({ type: "replaced", board: board.name, by: other.name });
      board = other;
    }
  }

  /** One run; resolves with the error that ended it, and notes its report. */
  async #run(board: FleetBoard, at: number): Promise<SpinnError | undefined> {
    const { options, head } = { options: this.#options, head: headOf(board) };
    let report: BringupReport | undefined;
    try {
      throwIfAborted(this.#signal);
      const script = this.#scripts?.get(board.name) ?? (await scriptOf(this.#scriptFor, board));
      this.#scriptName = script.name;
      const statePath = statePathOf(script, board, options.stateFolder);
      if (statePath !== false) this.#statePaths.add(statePath);
      await runBoard(
        script,
        {
          name: board.name,
          board: board.address,
          signal: this.#signal,
          resume: options.resume === true && statePath !== false,
          statePath,
          devices: options.devices,
          outputFolder: join(options.outputFolder ?? ".", fileNameOf(board.name)),
          onProgress: (event) => {
            if (event.type === "end") report = event.report;
            this.#tell(event);
          },
        },
        {
          shelf: this.#shelf,
          keepsState: true,
          needsState: options.stateFolder !== undefined,
          powerTurn: (bmp, signal) => this.#powerTurn(bmp, signal),
          once: (step, scope, work) => this.#once.do(onceKey(step, scope, board), board.name, work),
        },
      );
      this.#reports[at] = { ...head, outcome: "done", error: undefined, boardNow: "up", report };
      return undefined;
    } catch (error) {
      if (!(error instanceof SpinnError)) throw error;
      const outcome = report?.outcome ?? (isAbort(error) ? "not begun" : "failed");
      this.#reports[at] = { ...head, outcome, error: error.toJSON(), boardNow: report?.boardNow ?? NOTHING_SENT, report };
      if (report === undefined && outcome === "failed") this.#tell({ type: "refused", board: board.name, error: error.toJSON() });
      return error;
    }
  }

  /** Boards behind one BMP are let through one after the other, with the rest between them that was asked for. */
  #powerTurn(bmp: string, signal: AbortSignal): Promise<void> {
    throwIfAborted(signal);
    return new Promise((resolve, reject) => {
      const onAbort = (): void => reject(abortError(signal));
      signal.addEventListener("abort", onAbort, { once: true });
      const go = async (): Promise<void> => {
        signal.removeEventListener("abort", onAbort);
        if (signal.aborted) return;
        resolve();
        await pause(this.#options.powerSpacingMs ?? 0, signal).catch(() => undefined);
      };
      this.#turns.key(bmp).schedule(go).catch(reject);
    });
  }

  async #finish(): Promise<FleetReport> {
    const begun = new Set(this.#reports.map(({ board }) => board));
    const boards = [...this.#reports, ...(this.#list ?? []).filter(({ name }) => !begun.has(name)).map(notBegun)];
    const counts = countBoards(boards);
    const isDone = counts.failed + counts.aborted + counts.notBegun === 0;
    const report: FleetReport = {
      schema: "spinnkit.bringup-fleet-report",
      version: 1,
      script: this.#scriptName,
      outcome: isDone ? "done" : this.#options.signal?.aborted === true ? "aborted" : "failed",
      startedAt: this.#startedAt.toISOString(),
      durationMs: Math.round(performance.now() - this.#began),
      counts,
      boards,
    };
    if (isDone) for (const path of this.#statePaths) await forget(path);
    this.#tell({ type: "fleet-end", report });
    // A full disk must not keep the other one from being tried.
    const written = await Promise.allSettled([
      writeReport(this.#options.reportPath, `${JSON.stringify(report, undefined, 2)}\n`),
      writeReport(this.#options.junitPath, formatJunit(report)),
    ]);
    for (const one of written) if (one.status === "rejected") throw one.reason;
    return report;
  }

  /** A run from the beginning: what earlier ones remembered of these boards is void, also of those whose turn may never come. */
  async #forgetAll(): Promise<void> {
    for (const board of this.#list ?? []) {
      const path = statePathOf(this.#scripts!.get(board.name)!, board, this.#options.stateFolder);
      if (path !== false) await forget(path);
    }
  }

  /** A step that an earlier run did once for several boards is not done again with one of them: power, above all. */
  async #markDone(): Promise<void> {
    for (const board of this.#list ?? []) {
      const script = this.#scripts!.get(board.name)!;
      const statePath = statePathOf(script, board, this.#options.stateFolder);
      // A board that cannot be resumed says so when its turn comes.
      const plan =
        statePath === false
          ? undefined
          : await planBringup(script, { board: board.address, resume: true, statePath }).catch(() => undefined);
      for (const { step, once, reason } of plan?.steps ?? []) {
        if (once !== undefined && reason === DONE_EARLIER) this.#once.mark(onceKey(step, once, board), board.name);
      }
    }
  }

  #tell(event: FleetEvent): void {
    this.#options.onProgress?.(event);
  }
}

/** Boards that share a step have the same key for it. */
function onceKey(step: number, scope: Once, { name, address: { bmp } }: FleetBoard): string {
  return `${step} ${scope === "fleet" ? "" : bmp === undefined ? name : bmpKey(bmp)}`;
}

const NOTHING_SENT = "nothing was sent to it";

function headOf({ name, address }: FleetBoard): Pick<FleetBoardReport, "board" | "host" | "bmp" | "slot"> {
  return { board: name, host: address.host, bmp: address.bmp === undefined ? undefined : bmpKey(address.bmp), slot: address.slot };
}

function notBegun(board: FleetBoard): FleetBoardReport {
  return { ...headOf(board), outcome: "not begun", error: undefined, boardNow: NOTHING_SENT, report: undefined };
}

function statePathOf(script: Script, board: FleetBoard, folder: string | false | undefined): string | false {
  const chosen = folder ?? (script.path === undefined ? false : `${script.path}.state`);
  return chosen === false ? false : join(chosen, `${fileNameOf(board.name)}.json`);
}

/** A name as that of a file or folder: nothing in it leads elsewhere. */
function fileNameOf(name: string): string {
  return name.replace(/[^\w.@-]|^\.+/g, (some) => [...new TextEncoder().encode(some)].map((byte) => `%${byte.toString(16)}`).join(""));
}

/** Removes a state file, and its folder when it was the last one; where that cannot be done, writing cannot either, which is told there. */
async function forget(path: string): Promise<void> {
  await rm(path, { force: true }).catch(() => undefined);
  await rmdir(join(path, "..")).catch(() => undefined);
}
