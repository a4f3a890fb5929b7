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
  /** Hash of each finished step, see {@link stepHashes}. */
  readonly done: readonly string[];
  /** sv.boot_sig of the machine after the last finished step that talked to it. */
  readonly bootSignature: number | undefined;
  /** ISO 8601. */
  readonly savedAt: string;
}

/**
 * One hash per step: over the board's address, what the step and all before it say, and the contents of their files. A finished step that
 * has changed, or stands behind one that has, has another hash; steps to come may change freely.
 */
export function stepHashes(script: Script, board: BoardAddress, files: ReadonlyMap<string, CheckedFile>): string[] {
  let before = sha256({ board, appId: script.appId });
  return script.steps.map((step) => {
    before = sha256({ before, kind: step.kind, values: step.values, files: step.files.map(({ file }) => files.get(file.input)?.hash) });
    return before;
  });
}

/** Reads a state file; `undefined` when there is none. Throws `ERR_SPINN_FILE` for one that is damaged or of another program. */
export async function readState(path: string): Promise<RunState | undefined> {
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

export function writeState(path: string, state: RunState): Promise<string> {
  const text = `${JSON.stringify({ schema: SCHEMA, version: VERSION, ...state }, undefined, 2)}\n`;
  return writeWhole(dirname(path), basename(path), text);
}

export function removeState(path: string): Promise<void> {
  return rm(path, { force: true });
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
