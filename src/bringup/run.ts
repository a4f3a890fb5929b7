import { basename, dirname } from "node:path";
import { SpinnError, throwIfAborted } from "../errors.js";
import type { Progress } from "../transceiver/index.js";
import { BoardAccess, type PowerTurn } from "./board-access.js";
import { refusedBy } from "./condition.js";
import { type BringupDevices, NETWORK_DEVICES } from "./devices.js";
import { type CheckedFile, checkWritable, type FileShelf, readFiles, writeWhole } from "./files.js";
import { formatJunit } from "./junit.js";
import { pause } from "./pause.js";
import { Problems } from "./problems.js";
import type { BringupReport, RetryReport, StepReport, StepStatus } from "./report.js";
import { RunMemory, type RunState } from "./run-state.js";
import type { BoardAddress, Once, Script, ScriptStep } from "./script.js";
import type { Seen } from "./step.js";

/** What happens in a run, as it happens: `board` is the board's name, else its host. `step` counts from 1. */
export type BringupEvent = { readonly board: string | undefined } & (
  | {
      readonly type: "start";
      readonly script: string;
      readonly steps: number;
      readonly skipped: number;
      /** Why a run that was to be resumed begins at its beginning. */
      readonly restarted?: string | undefined;
    }
  | { readonly type: "step-start"; readonly step: number; readonly kind: string; readonly words: string }
  | { readonly type: "step-progress"; readonly step: number; readonly progress: Progress }
  /** An attempt failed; another one follows after `delayMs`. */
  | { readonly type: "step-retry"; readonly step: number; readonly retry: RetryReport; readonly times: number; readonly delayMs: number }
  | { readonly type: "step-end"; readonly report: StepReport }
  /** Always the last one, also of a run that fails. */
  | { readonly type: "end"; readonly report: BringupReport }
);

export interface BringupOptions {
  /** What the board is called in events and reports. Default: its host. */
  readonly name?: string | undefined;
  /** Where the board is; members given here come before the script's. Default: what the script says. */
  readonly board?: BoardAddress | undefined;
  /** Folder to which output files are written. Default: the current one. */
  readonly outputFolder?: string | undefined;
  /** Go on behind the last finished step of an earlier run. Default `false`: begin at the beginning. */
  readonly resume?: boolean | undefined;
  /**
   * File that remembers finished steps until the run is done; `false`: none. Default: the script's path with `.state.json` behind it, if
   * that can be written; none for scripts without path.
   */
  readonly statePath?: string | false | undefined;
  /** File to which the report is written as JSON, however the run ends. Default: none. */
  readonly reportPath?: string | undefined;
  /** File to which the report is written as JUnit XML, however the run ends. Default: none. */
  readonly junitPath?: string | undefined;
  /** Ends the run between steps and inside them, with `ERR_SPINN_ABORTED`. */
  readonly signal?: AbortSignal | undefined;
  /** What it throws ends the run. */
  readonly onProgress?: ((event: BringupEvent) => void) | undefined;
  /** Awaited before each step, counted from 1: where a run is paused. What it throws ends the run. Default: nothing. */
  readonly beforeStep?: ((step: number) => Promise<void>) | undefined;
  /** Ways to a board. Default: the network. */
  readonly devices?: BringupDevices | undefined;
}

/** What a fleet puts into the runs of its boards. */
export interface FleetHooks {
  readonly shelf?: FileShelf;
  readonly powerTurn?: PowerTurn;
  /** Does a step that is done once for several boards, or waits for the board that does; `by` is that board when it was another one. */
  readonly once?: (step: number, scope: Once, work: () => Promise<Seen>) => Promise<{ readonly seen: Seen; readonly by?: string }>;
  /** Remember a finished run too, and let one whose board was lost begin again. */
  readonly keepsState?: boolean;
  /** The state file was named by the caller: it is an error when it cannot be written. */
  readonly needsState?: boolean;
}

/**
 * Runs a script. Everything that can be checked is checked before the first packet: files are there and are what they should be, every
 * step has an address to talk to, the steps that a resumed run skips are the ones that were done.
 *
 * Resolves with the report. Rejects with the error of the step that failed: same code, message with step and line, hint with the state
 * the board is in; the report is in the last progress event and in `reportPath`. Before the first packet: `ERR_SPINN_SCRIPT`,
 * `ERR_SPINN_FILE`, and `ERR_SPINN_STATE` for a run that cannot be resumed.
 */
export function runBringup(script: Script, options: BringupOptions = {}): Promise<BringupReport> {
  return runBoard(script, options, {});
}

/** {@link runBringup} for one board of a fleet. */
export async function runBoard(script: Script, options: BringupOptions, hooks: FleetHooks): Promise<BringupReport> {
  throwIfAborted(options.signal);
  const files = await check(script, options, hooks.shelf);
  await checkWritable([options.reportPath, options.junitPath]);
  return new Run(script, options, hooks, files).go();
}

/** Everything that {@link runBringup} checks before the first packet, and nothing else. Throws `ERR_SPINN_SCRIPT`. */
export async function checkBringup(script: Script, options: Pick<BringupOptions, "board"> = {}): Promise<void> {
  await check(script, options);
}

export function check(
  script: Script,
  options: Pick<BringupOptions, "board">,
  shelf?: FileShelf,
): Promise<ReadonlyMap<string, CheckedFile>> {
  checkAddresses(script, boardOf(script, options));
  return readFiles(script, shelf);
}

export function boardOf(script: Script, options: Pick<BringupOptions, "board">): BoardAddress {
  return { ...script.board, ...definedMembers(options.board ?? {}) };
}

class Run {
  readonly #script: Script;
  readonly #options: BringupOptions;
  readonly #hooks: FleetHooks;
  readonly #files: ReadonlyMap<string, CheckedFile>;
  readonly #board: BoardAddress;
  readonly #name: string | undefined;
  readonly #memory: RunMemory;
  readonly #steps: StepReport[];
  readonly #signal: AbortSignal;
  readonly #access: BoardAccess;
  readonly #startedAt = new Date();
  readonly #began = performance.now();

  constructor(script: Script, options: BringupOptions, hooks: FleetHooks, files: ReadonlyMap<string, CheckedFile>) {
    this.#script = script;
    this.#options = options;
    this.#hooks = hooks;
    this.#files = files;
    this.#board = boardOf(script, options);
    this.#name = options.name ?? this.#board.host;
    this.#memory = new RunMemory(script, this.#board, files, options.statePath, hooks.needsState);
    this.#signal = options.signal ?? new AbortController().signal;
    this.#access = new BoardAccess(this.#board, options.devices ?? NETWORK_DEVICES, this.#signal, hooks.powerTurn);
    this.#steps = script.steps.map((step, i) => ({ step: i + 1, ...headOf(step), status: "not run" }));
  }

  async go(): Promise<BringupReport> {
    let state = this.#options.resume === true ? await this.#memory.recall() : undefined;
    const restarted = state === undefined ? undefined : await this.#checkMachine(state);
    if (restarted !== undefined) state = undefined;
    if (state === undefined) await this.#memory.begin();
    const skipped = state?.done.length ?? 0;
    for (let i = 0; i < skipped; i++) this.#steps[i] = { ...this.#steps[i]!, status: "skipped", reason: DONE_EARLIER };
    let index = skipped;
    try {
      const { name: script, steps } = this.#script;
      const start = { type: "start" as const, script, steps: steps.length, skipped };
      this.#tell(restarted === undefined ? start : { ...start, restarted });
      for (; index < steps.length; index++) {
        await this.#options.beforeStep?.(index + 1);
        await this.#step(index, skipped > 0 && index === skipped);
        await this.#save(index + 1);
      }
    } catch (error) {
      await this.#fail(error, index);
    } finally {
      await this.#access.close();
    }
    if (this.#hooks.keepsState !== true) await this.#memory.forget();
    return this.#finish("done");
  }

  async #step(index: number, again: boolean): Promise<void> {
    throwIfAborted(this.#signal);
    const step = this.#script.steps[index]!;
    const number = index + 1;
    this.#tell({ type: "step-start", step: number, kind: step.kind, words: step.words });
    const startedAt = new Date().toISOString();
    const began = performance.now();
    const retries: RetryReport[] = [];
    const end = (status: StepStatus, more: Pick<StepReport, "seen" | "reason"> = {}): void => {
      const durationMs = Math.round(performance.now() - began);
      const report = { step: number, ...headOf(step), status, startedAt, durationMs, ...more };
      this.#steps[index] = retries.length === 0 ? report : { ...report, retries };
      this.#tell({ type: "step-end", report: this.#steps[index] });
    };
    let reason: string | undefined;
    let seen: Seen = {};
    try {
      reason = step.when === undefined ? undefined : await refusedBy(step.when, this.#access);
      if (reason === undefined) seen = await this.#shared(step, number, () => this.#attempts(step, number, again, retries));
    } catch (error) {
      end(isAbort(error) ? "aborted" : "failed");
      throw error;
    }
    if (reason !== undefined) end("skipped", { reason });
    else end("done", Object.keys(seen).length === 0 ? {} : { seen });
  }

  /** A step that is done once for several boards is done by the first that comes to it; the others wait for it. */
  async #shared(step: ScriptStep, number: number, work: () => Promise<Seen>): Promise<Seen> {
    if (step.once === undefined || this.#hooks.once === undefined) return work();
    const { seen, by } = await this.#hooks.once(number, step.once, work);
    if (by === undefined) return seen;
    await this.#access.forgetMachine(`"${step.words}" was done for it with ${by}`);
    return { once: `done with ${by}` };
  }

  /** Does a step, again and again as far as its script allows. Each attempt that is followed by another is told and noted. */
  async #attempts(step: ScriptStep, number: number, again: boolean, retries: RetryReport[]): Promise<Seen> {
    const { times = 0, delayMs = 0, codes = [] } = step.retry ?? {};
    for (;;) {
      try {
        return await step.run({
          access: this.#access,
          signal: this.#signal,
          appId: this.#script.appId,
          again: again || retries.length > 0,
          onProgress: (progress) => this.#tell({ type: "step-progress", step: number, progress }),
          file: ({ input }) => this.#files.get(input)!.bytes,
          output: (name, bytes) => writeWhole(this.#options.outputFolder ?? ".", name, bytes),
        });
      } catch (error) {
        if (!(error instanceof SpinnError) || retries.length >= times || !codes.includes(error.code)) throw error;
        const retry = { attempt: retries.length + 1, code: error.code, message: error.message };
        retries.push(retry);
        this.#tell({ type: "step-retry", step: number, retry, times, delayMs });
        await pause(delayMs, this.#signal);
      }
    }
  }

  /** Ends a run that did not end well: report, then the error with what a person needs to go on. */
  async #fail(error: unknown, index: number): Promise<never> {
    // A mistake of the program, not of the board: nothing to explain, the stack says where.
    if (!(error instanceof SpinnError)) throw error;
    const boardNow = await this.#access.describe();
    const step = this.#script.steps[index];
    const where = step === undefined ? "" : ` (${new Problems(this.#script.path ?? this.#script.name).where(step.place)})`;
    const total = this.#script.steps.length;
    const attempts = (this.#steps[index]?.retries?.length ?? 0) + 1;
    const verb = isAbort(error) ? "was aborted" : attempts === 1 ? "failed" : `failed ${attempts} times`;
    const words = step === undefined ? "" : `step ${index + 1} of ${total}${where} ${verb}: ${step.words}`;
    const canResume = this.#memory.path !== undefined && index > 0;
    const next = canResume
      ? `${index} of ${total} steps are done and remembered: run again with resume to go on at step ${index + 1}`
      : undefined;
    const hint = [error.hint?.replace(/\.$/, ""), `The board now: ${boardNow}`, next].filter((part) => part !== undefined).join(". ");
    const { board, request, returnCode } = error;
    const message = isAbort(error) && step !== undefined ? words : [words, error.message].filter((part) => part !== "").join(": ");
    const wrapped = new SpinnError(error.code, message, { hint, board, request, returnCode, cause: error });
    await this.#finish(isAbort(error) ? "aborted" : "failed", wrapped, boardNow);
    throw wrapped;
  }

  async #finish(outcome: BringupReport["outcome"], error?: SpinnError, boardNow?: string): Promise<BringupReport> {
    const { name, reportPath, junitPath } = this.#options;
    const report: BringupReport = {
      schema: "spinnkit.bringup-report",
      version: 1,
      script: this.#script.name,
      board: this.#board.host,
      ...(name === undefined ? {} : { name }),
      outcome,
      startedAt: this.#startedAt.toISOString(),
      durationMs: Math.round(performance.now() - this.#began),
      steps: [...this.#steps],
      error: error?.toJSON(),
      boardNow,
      statePath: outcome === "done" ? undefined : this.#memory.path,
    };
    await writeReport(reportPath, `${JSON.stringify(report, undefined, 2)}\n`);
    await writeReport(junitPath, formatJunit(report));
    this.#tell({ type: "end", report });
    return report;
  }

  /**
   * Whether the machine is still the one on which steps were done; otherwise why the run begins again, if that is wanted, or
   * `ERR_SPINN_STATE`.
   */
  async #checkMachine(state: RunState): Promise<string | undefined> {
    if (state.bootSignature === undefined) return undefined;
    try {
      await this.#access.machine();
      if ((await this.#access.bootSignature()) === state.bootSignature) return undefined;
      throw new SpinnError("ERR_SPINN_STATE", "the machine was booted again since");
    } catch (error) {
      await this.#access.close();
      if (!(error instanceof SpinnError) || isAbort(error)) throw error;
      if (this.#hooks.keepsState === true) return error.message;
      throw new SpinnError("ERR_SPINN_STATE", `the run cannot be resumed: ${error.message}`, {
        hint: `what the ${state.done.length} finished steps did is lost: run the script from its beginning`,
        cause: error,
      });
    }
  }

  async #save(done: number): Promise<void> {
    if (this.#memory.path === undefined) return;
    if (done === this.#script.steps.length && this.#hooks.keepsState !== true) return;
    await this.#memory.save(done, await this.#access.bootSignature());
  }

  #tell(event: BringupEvent extends infer E ? (E extends BringupEvent ? Omit<E, "board"> : never) : never): void {
    this.#options.onProgress?.({ board: this.#name, ...event } as BringupEvent);
  }
}

/** Why a step of an earlier run is skipped. */
export const DONE_EARLIER = "done by an earlier run";

/** Writes one form of a report, where a file was named for it. Throws `ERR_SPINN_FILE`. */
export async function writeReport(path: string | undefined, text: string): Promise<void> {
  if (path !== undefined) await writeWhole(dirname(path), basename(path), text);
}

function headOf(step: ScriptStep): Pick<StepReport, "kind" | "words" | "line"> {
  return { kind: step.kind, words: step.words, line: step.place.line };
}

export function isAbort(error: unknown): boolean {
  return error instanceof SpinnError && error.code === "ERR_SPINN_ABORTED";
}

function definedMembers<T extends object>(value: T): Partial<T> {
  return Object.fromEntries(Object.entries(value).filter(([, member]) => member !== undefined)) as Partial<T>;
}

function checkAddresses(script: Script, board: BoardAddress): void {
  const problems = new Problems(script.path ?? script.name);
  for (const { needs, place, words } of script.steps) {
    if (needs.includes("board") && board.host === undefined) problems.add(place, `"${words}" needs the address of the board`);
    if (needs.includes("bmp") && board.bmp === undefined) problems.add(place, `"${words}" needs the address of the BMP`);
  }
  problems.throwIfAny();
}
