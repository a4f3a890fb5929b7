import { createHash } from "node:crypto";
import { readFile, rm } from "node:fs/promises";
import { basename, dirname } from "node:path";
import { SpinnError } from "../errors.js";
import { type CheckedFile, writeWhole } from "./files.js";
import type { BoardAddress, Script } from "./script.js";

const SCHEMA = "spinnkit.bringup-state";
const VERSION = 1;

/** What is remembered of an unfinished run: which steps are done, and of which machine. */
export interface RunState {
  /** Hash of each finished step. */
  readonly done: readonly string[];
  /** sv.boot_sig of the machine after the last finished step that talked to it. */
  readonly bootSignature: number | undefined;
  /** ISO 8601. */
  readonly savedAt: string;
}

/*
 * One hash per step: over the board's address, what the step and all before it say, and the contents of their files. A finished step that
 * has changed, or stands behind one that has, has another hash; steps to come may change freely.
 */
function stepHashes(script: Script, board: BoardAddress, files: ReadonlyMap<string, CheckedFile>): string[] {
  let before = sha256({ board, appId: script.appId });
  return script.steps.map((step) => {
    const { kind, values, when, once } = step;
    before = sha256({ before, kind, values, files: step.files.map(({ file }) => files.get(file.input)?.hash), when: when?.words, once });
    return before;
  });
}

/** What one run remembers of its finished steps, in a file or not at all. */
export class RunMemory {
  readonly #script: Script;
  readonly #hashes: readonly string[];
  readonly #isNamed: boolean;
  #path: string | undefined;

  /** `path` as the caller gave it: `undefined` for beside the script, `false` for nowhere. `isNamed`: nowhere will not do instead. */
  constructor(
    script: Script,
    board: BoardAddress,
    files: ReadonlyMap<string, CheckedFile>,
    path: string | false | undefined,
    isNamed = path !== undefined,
  ) {
    this.#script = script;
    this.#hashes = stepHashes(script, board, files);
    this.#isNamed = isNamed;
    const chosen = path ?? (script.path === undefined ? false : `${script.path}.state.json`);
    this.#path = chosen === false ? undefined : chosen;
  }

  /** The file; `undefined` when nothing is remembered. */
  get path(): string | undefined {
    return this.#path;
  }

  /** What an earlier run has done of this script. Throws `ERR_SPINN_STATE` when the script or its files have changed in that part. */
  async recall(): Promise<RunState | undefined> {
    if (this.#path === undefined) {
      throw new SpinnError("ERR_SPINN_ARGUMENT", "a run can only be resumed with a state file", { hint: "give statePath" });
    }
    const state = await readState(this.#path);
    const changed = state?.done.findIndex((hash, i) => hash !== this.#hashes[i]) ?? -1;
    if (state === undefined || changed < 0) return state;
    const step = this.#script.steps[changed];
    const what =
      step === undefined ? "the script has fewer steps than were done" : `step ${changed + 1} (${step.words}) is not what was done`;
    throw new SpinnError("ERR_SPINN_STATE", `the run cannot be resumed: ${what}`, {
      hint: "the script, its files, variables or board have changed since: run it from its beginning",
    });
  }

  /**
   * Begins to remember, before the first packet. A folder that cannot be written to (scripts may lie in a read-only place) only means that
   * nothing is remembered, unless the caller named the file.
   */
  async begin(): Promise<void> {
    if (this.#path === undefined) return;
    try {
      await this.save(0, undefined);
    } catch (error) {
      if (this.#isNamed) throw error;
      this.#path = undefined;
    }
  }

  async save(done: number, bootSignature: number | undefined): Promise<void> {
    if (this.#path === undefined) return;
    await writeState(this.#path, { done: this.#hashes.slice(0, done), bootSignature, savedAt: new Date().toISOString() });
  }

  async forget(): Promise<void> {
    if (this.#path !== undefined) await rm(this.#path, { force: true });
  }
}

/** Reads a state file; `undefined` when there is none. Throws `ERR_SPINN_FILE` for one that is damaged or of another program. */
async function readState(path: string): Promise<RunState | undefined> {
  let text: string;
  try {
    text = await readFile(path, "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw new SpinnError("ERR_SPINN_FILE", `the state file ${path} cannot be read: ${(error as Error).message}`, { cause: error });
  }
  const state = parse(text);
  if (state !== undefined) return state;
  throw new SpinnError("ERR_SPINN_FILE", `${path} is no state of a bring-up run`, {
    hint: "delete it, and run the script from its beginning",
  });
}

function writeState(path: string, state: RunState): Promise<string> {
  const text = `${JSON.stringify({ schema: SCHEMA, version: VERSION, ...state }, undefined, 2)}\n`;
  return writeWhole(dirname(path), basename(path), text);
}

function parse(text: string): RunState | undefined {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return undefined;
  }
  if (typeof value !== "object" || value === null) return undefined;
  const { schema, version, done, bootSignature, savedAt } = value as Record<string, unknown>;
  if (schema !== SCHEMA || version !== VERSION || typeof savedAt !== "string") return undefined;
  if (!Array.isArray(done) || !done.every((hash) => typeof hash === "string")) return undefined;
  if (bootSignature !== undefined && typeof bootSignature !== "number") return undefined;
  return { done, bootSignature, savedAt };
}

function sha256(value: unknown): string {
  return createHash("sha256").update(JSON.stringify(value)).digest("hex");
}
