import { basename, dirname } from "node:path";
import { SpinnError, throwIfAborted } from "../errors.js";
import type { Progress } from "../transceiver/index.js";
import { BoardAccess } from "./board-access.js";
import { type BringupDevices, NETWORK_DEVICES } from "./devices.js";
import { type CheckedFile, readFiles, writeWhole } from "./files.js";
import { Problems } from "./problems.js";
import type { BringupReport, StepReport } from "./report.js";
import { type RunState, readState, removeState, stepHashes, writeState } from "./run-state.js";
import type { BoardAddress, Script, ScriptStep } from "./script.js";
import type { Seen } from "./step.js";

/** What happens in a run, as it happens. `step` counts from 1. */
export type BringupEvent =
  | { readonly type: "start"; readonly script: string; readonly steps: number; readonly skipped: number }
  | { readonly type: "step-start"; readonly step: number; readonly kind: string; readonly words: string }
  | { readonly type: "step-progress"; readonly step: number; readonly progress: Progress }
  | { readonly type: "step-end"; readonly report: StepReport }
  /** Always the last one, also of a run that fails. */
  | { readonly type: "end"; readonly report: BringupReport };

export interface BringupOptions {
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
  /** Ends the run between steps and inside them, with `ERR_SPINN_ABORTED`. */
  readonly signal?: AbortSignal | undefined;
  /** What it throws ends the run. */
  readonly onProgress?: ((event: BringupEvent) => void) | undefined;
  /** Awaited before each step, counted from 1: where a run is paused. What it throws ends the run. Default: nothing. */
  readonly beforeStep?: ((step: number) => Promise<void>) | undefined;
  /** Ways to a board. Default: the network. */
  readonly devices?: BringupDevices | undefined;
}

/**
 * Runs a script. Everything that can be checked is checked before the first packet: files are there and are what they should be, every
 * step has an address to talk to, the steps that a resumed run skips are the ones that were done.
 *
 * Resolves with the report. Rejects with the error of the step that failed: same code, message with step and line, hint with the state
 * the board is in; the report is in the last progress event and in `reportPath`. Before the first packet: `ERR_SPINN_SCRIPT`,
 * `ERR_SPINN_FILE`, and `ERR_SPINN_STATE` for a run that cannot be resumed.
 */
export async function runBringup(script: Script, options: BringupOptions = {}): Promise<BringupReport> {
  throwIfAborted(options.signal);
  const files = await check(script, options);
  return new Run(script, options, files).go();
}

/** Everything that {@link runBringup} checks before the first packet, and nothing else: for a dry run. Throws `ERR_SPINN_SCRIPT`. */
export async function checkBringup(script: Script, options: Pick<BringupOptions, "board"> = {}): Promise<void> {
  await check(script, options);
}

function check(script: Script, options: Pick<BringupOptions, "board">): Promise<ReadonlyMap<string, CheckedFile>> {
  checkAddresses(script, boardOf(script, options));
  return readFiles(script);
}

function boardOf(script: Script, options: Pick<BringupOptions, "board">): BoardAddress {
  return { ...script.board, ...definedMembers(options.board ?? {}) };
}

class Run {
  readonly #script: Script;
  readonly #options: BringupOptions;
  readonly #files: ReadonlyMap<string, CheckedFile>;
  readonly #board: BoardAddress;
  readonly #hashes: readonly string[];
  #statePath: string | undefined;
  readonly #steps: StepReport[];
  readonly #signal: AbortSignal;
  readonly #access: BoardAccess;
  readonly #startedAt = new Date();
  readonly #began = performance.now();

  constructor(script: Script, options: BringupOptions, files: ReadonlyMap<string, CheckedFile>) {
    this.#script = script;
    this.#options = options;
    this.#files = files;
    this.#board = boardOf(script, options);
    this.#hashes = stepHashes(script, this.#board, files);
    const { statePath = script.path === undefined ? false : `${script.path}.state.json` } = options;
    this.#statePath = statePath === false ? undefined : statePath;
    this.#signal = options.signal ?? new AbortController().signal;
    this.#access = new BoardAccess(this.#board, options.devices ?? NETWORK_DEVICES, this.#signal);
    this.#steps = script.steps.map((step, i) => ({ step: i + 1, ...headOf(step), status: "not run" }));
  }

  async go(): Promise<BringupReport> {
    const state = await this.#stateToResume();
    const skipped = state?.done.length ?? 0;
    for (let i = 0; i < skipped; i++) this.#steps[i] = { ...this.#steps[i]!, status: "skipped" };
    if (state !== undefined) await this.#checkMachine(state);
    else await this.#beginState();
    let index = skipped;
    try {
      this.#tell({ type: "start", script: this.#script.name, steps: this.#script.steps.length, skipped });
      for (; index < this.#script.steps.length; index++) {
        await this.#options.beforeStep?.(index + 1);
        await this.#step(index, skipped > 0 && index === skipped);
        await this.#save(index + 1);
      }
    } catch (error) {
      await this.#fail(error, index);
    } finally {
      await this.#access.close();
    }
    if (this.#statePath !== undefined) await removeState(this.#statePath);
    return this.#finish("done");
  }

  async #step(index: number, again: boolean): Promise<void> {
    throwIfAborted(this.#signal);
    const step = this.#script.steps[index]!;
    const number = index + 1;
    this.#tell({ type: "step-start", step: number, kind: step.kind, words: step.words });
    const startedAt = new Date().toISOString();
    const began = performance.now();
    const end = (status: "done" | "failed" | "aborted", seen?: Seen): void => {
      const durationMs = Math.round(performance.now() - began);
      const head = { step: number, ...headOf(step), status, startedAt, durationMs };
      this.#steps[index] = seen === undefined || Object.keys(seen).length === 0 ? head : { ...head, seen };
      this.#tell({ type: "step-end", report: this.#steps[index] });
    };
    let seen: Seen;
    try {
      seen = await step.run({
        access: this.#access,
        signal: this.#signal,
        appId: this.#script.appId,
        again,
        onProgress: (progress) => this.#tell({ type: "step-progress", step: number, progress }),
        file: ({ input }) => this.#files.get(input)!.bytes,
        output: (name, bytes) => writeWhole(this.#options.outputFolder ?? ".", name, bytes),
      });
    } catch (error) {
      end(isAbort(error) ? "aborted" : "failed");
      throw error;
    }
    end("done", seen);
  }

  /** Ends a run that did not end well: report, then the error with what a person needs to go on. */
  async #fail(error: unknown, index: number): Promise<never> {
    // A mistake of the program, not of the board: nothing to explain, the stack says where.
    if (!(error instanceof SpinnError)) throw error;
    const boardNow = await this.#access.describe();
    const step = this.#script.steps[index];
    const where = step === undefined ? "" : ` (${new Problems(this.#script.path ?? this.#script.name).where(step.place)})`;
    const total = this.#script.steps.length;
    const verb = isAbort(error) ? "was aborted" : "failed";
    const words = step === undefined ? "" : `step ${index + 1} of ${total}${where} ${verb}: ${step.words}: `;
    const canResume = this.#statePath !== undefined && index > 0;
    const next = canResume
      ? `${index} of ${total} steps are done and remembered: run again with resume to go on at step ${index + 1}`
      : undefined;
    const hint = [error.hint?.replace(/\.$/, ""), `The board now: ${boardNow}`, next].filter((part) => part !== undefined).join(". ");
    const { board, request, returnCode } = error;
    const wrapped = new SpinnError(error.code, words + error.message, { hint, board, request, returnCode, cause: error });
    await this.#finish(isAbort(error) ? "aborted" : "failed", wrapped, boardNow);
    throw wrapped;
  }

  async #finish(outcome: BringupReport["outcome"], error?: SpinnError, boardNow?: string): Promise<BringupReport> {
    const report: BringupReport = {
      schema: "spinnkit.bringup-report",
      version: 1,
      script: this.#script.name,
      board: this.#board.host,
      outcome,
      startedAt: this.#startedAt.toISOString(),
      durationMs: Math.round(performance.now() - this.#began),
      steps: [...this.#steps],
      error: error?.toJSON(),
      boardNow,
      statePath: outcome === "done" ? undefined : this.#statePath,
    };
    const { reportPath } = this.#options;
    if (reportPath !== undefined) {
      await writeWhole(dirname(reportPath), basename(reportPath), `${JSON.stringify(report, undefined, 2)}\n`);
    }
    this.#tell({ type: "end", report });
    return report;
  }

  /** What an earlier run has done of this script. Throws `ERR_SPINN_STATE` when the script or its files have changed in that part. */
  async #stateToResume(): Promise<RunState | undefined> {
    if (this.#options.resume !== true) return undefined;
    if (this.#statePath === undefined) {
      throw new SpinnError("ERR_SPINN_ARGUMENT", "a run can only be resumed with a state file", { hint: "give statePath" });
    }
    const state = await readState(this.#statePath);
    const changed = state?.done.findIndex((hash, i) => hash !== this.#hashes[i]) ?? -1;
    if (state === undefined || changed < 0) return state;
    const step = this.#script.steps[changed];
    const what =
      step === undefined ? "the script has fewer steps than were done" : `step ${changed + 1} (${step.words}) is not what was done`;
    throw new SpinnError("ERR_SPINN_STATE", `the run cannot be resumed: ${what}`, {
      hint: "the script, its files, variables or board have changed since: run it from its beginning",
    });
  }

  /** Whether the machine is still the one on which steps were done. Throws `ERR_SPINN_STATE` when it is not there or was booted again. */
  async #checkMachine(state: RunState): Promise<void> {
    if (state.bootSignature === undefined) return;
    try {
      await this.#access.machine();
      if ((await this.#access.bootSignature()) === state.bootSignature) return;
      throw new SpinnError("ERR_SPINN_STATE", "the machine was booted again since");
    } catch (error) {
      await this.#access.close();
      if (!(error instanceof SpinnError) || isAbort(error)) throw error;
      throw new SpinnError("ERR_SPINN_STATE", `the run cannot be resumed: ${error.message}`, {
        hint: `what the ${state.done.length} finished steps did is lost: run the script from its beginning`,
        cause: error,
      });
    }
  }

  /**
   * Begins to remember, before the first packet. A folder that cannot be written to (scripts may lie in a read-only place) only means that
   * nothing is remembered, unless the caller named the file.
   */
  async #beginState(): Promise<void> {
    if (this.#statePath === undefined) return;
    try {
      await writeState(this.#statePath, { done: [], bootSignature: undefined, savedAt: this.#startedAt.toISOString() });
    } catch (error) {
      if (this.#options.statePath !== undefined) throw error;
      this.#statePath = undefined;
    }
  }

  async #save(done: number): Promise<void> {
    if (this.#statePath === undefined || done === this.#script.steps.length) return;
    const bootSignature = await this.#access.bootSignature();
    await writeState(this.#statePath, { done: this.#hashes.slice(0, done), bootSignature, savedAt: new Date().toISOString() });
  }

  #tell(event: BringupEvent): void {
    this.#options.onProgress?.(event);
  }
}

function headOf(step: ScriptStep): Pick<StepReport, "kind" | "words" | "line"> {
  return { kind: step.kind, words: step.words, line: step.place.line };
}

function isAbort(error: unknown): boolean {
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
