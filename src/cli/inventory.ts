import { readFile } from "node:fs/promises";
import { SpinnError } from "../errors.js";
import { nearestWord } from "./nearest.js";

/** A board as a person named it. */
export interface BoardAddress {
  readonly host: string;
  readonly port: number | undefined;
  /** Host of its BMP, where the inventory knows it. */
  readonly bmp: string | undefined;
  /** Its place in the frame of that BMP, 0 to 23. */
  readonly slot?: number | undefined;
  /** Values that bring-up scripts may use. */
  readonly variables?: Readonly<Record<string, string | number | boolean>> | undefined;
}

/** Named boards of a lab. */
export interface Inventory {
  /** The one that is meant when none is named: a name of `boards`, or an address. */
  readonly default: string | undefined;
  readonly boards: ReadonlyMap<string, BoardAddress>;
  /** Names of boards under one name. */
  readonly groups: ReadonlyMap<string, readonly string[]>;
}

/**
 * Reads the inventory; `undefined` when there is none and nobody has named it.
 *
 * ```yaml
 * default: desk
 * boards:
 *   desk: 192.168.240.1
 *   rack1-00: { host: 10.11.12.1, port: 17893, bmp: 10.11.12.0, slot: 0, variables: { cores: "0,0,1-16" } }
 *   rack1-01: { host: 10.11.12.9, bmp: 10.11.12.0, slot: 1 }
 * groups:
 *   rack1: [rack1-*]
 * ```
 * Throws `ERR_SPINN_FILE` saying what is wrong.
 */
export async function readInventory(path: string, isNamed = process.env["SPINN_BOARDS"] !== undefined): Promise<Inventory | undefined> {
  let text: string;
  try {
    text = await readFile(path, "utf8");
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === "ENOENT" && !isNamed) return undefined;
    throw new SpinnError("ERR_SPINN_FILE", `the inventory ${path} cannot be read: ${(cause as Error).message}`, { cause });
  }
  const { parse } = await import("yaml");
  try {
    return checkInventory(parse(text));
  } catch (cause) {
    throw new SpinnError("ERR_SPINN_FILE", `the inventory ${path}: ${(cause as Error).message.split("\n", 1)[0]}`, {
      cause,
      hint: "spinn help boards shows how it is written",
    });
  }
}

/** The checked form of what a YAML file held. */
export function checkInventory(value: unknown): Inventory {
  const file = record(value, "the file", ["default", "boards", "groups"]);
  const boards = new Map<string, BoardAddress>();
  for (const [name, entry] of Object.entries(file["boards"] === undefined ? {} : (file["boards"] as Record<string, unknown>))) {
    const board = record(typeof entry === "string" ? { host: entry } : entry, `board "${name}"`, [
      "host",
      "port",
      "bmp",
      "slot",
      "variables",
    ]);
    const { host, port, bmp, slot } = board;
    if (typeof host !== "string" || host === "") throw new Error(`board "${name}" has no host`);
    if (port !== undefined && !(Number.isInteger(port) && Number(port) > 0 && Number(port) < 65536))
      throw new Error(`board "${name}": port must be 1 to 65535`);
    if (bmp !== undefined && typeof bmp !== "string") throw new Error(`board "${name}": bmp must be a host`);
    if (slot !== undefined && !(Number.isInteger(slot) && Number(slot) >= 0 && Number(slot) < 24))
      throw new Error(`board "${name}": slot must be 0 to 23`);
    const address = { host, port: port as number | undefined, bmp, slot: slot as number | undefined };
    boards.set(name, { ...address, variables: variablesOf(board["variables"], name) });
  }
  const chosen = file["default"];
  if (chosen !== undefined && typeof chosen !== "string") throw new Error("default must be a name");
  return { default: chosen, boards, groups: groupsOf(file["groups"], boards) };
}

/** Boards whose names a pattern matches: `rack1-*`; one without a star matches itself. */
export function matchNames(pattern: string, names: Iterable<string>): string[] {
  const parts = pattern.split("*").map((part) => part.replace(/[\\^$.|?+()[\]{}]/g, "\\$&"));
  const whole = new RegExp(`^${parts.join(".*")}$`);
  return [...names].filter((name) => whole.test(name));
}

function variablesOf(value: unknown, board: string): BoardAddress["variables"] {
  if (value === undefined) return undefined;
  if (typeof value !== "object" || value === null || Array.isArray(value)) throw new Error(`board "${board}": variables must be a mapping`);
  for (const [name, member] of Object.entries(value)) {
    if (!["string", "number", "boolean"].includes(typeof member))
      throw new Error(`board "${board}": variable "${name}" must be a plain value`);
  }
  return value as BoardAddress["variables"];
}

function groupsOf(value: unknown, boards: ReadonlyMap<string, BoardAddress>): Inventory["groups"] {
  const groups = new Map<string, readonly string[]>();
  if (value === undefined) return groups;
  if (typeof value !== "object" || value === null || Array.isArray(value)) throw new Error("groups must be a mapping");
  for (const [name, members] of Object.entries(value)) {
    if (boards.has(name)) throw new Error(`"${name}" is a board and a group: call one of them something else`);
    const words: unknown[] = Array.isArray(members) ? members : [members];
    const found = words.flatMap((word) => {
      if (typeof word !== "string") throw new Error(`group "${name}" must be a list of boards`);
      const matching = matchNames(word, boards.keys());
      if (matching.length > 0) return matching;
      const near = nearestWord(word, boards.keys());
      throw new Error(`group "${name}": there is no board "${word}"${near === undefined ? "" : `; did you mean "${near}"?`}`);
    });
    groups.set(name, [...new Set(found)]);
  }
  return groups;
}

function record(value: unknown, what: string, known: readonly string[]): Record<string, unknown> {
  if (typeof value !== "object" || value === null || Array.isArray(value)) throw new Error(`${what} must be a mapping`);
  for (const key of Object.keys(value)) {
    if (known.includes(key)) continue;
    const near = nearestWord(key, known);
    throw new Error(`${what} has an unknown member "${key}"${near === undefined ? "" : `; did you mean "${near}"?`}`);
  }
  return value as Record<string, unknown>;
}
