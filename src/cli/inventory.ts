import { readFile } from "node:fs/promises";
import { SpinnError } from "../errors.js";
import { nearestWord } from "./nearest.js";

/** A board as a person named it. */
export interface BoardAddress {
  readonly host: string;
  readonly port: number | undefined;
  /** Host of its BMP, where the inventory knows it. */
  readonly bmp: string | undefined;
}

/** Named boards of a lab. */
export interface Inventory {
  /** The one that is meant when none is named: a name of `boards`, or an address. */
  readonly default: string | undefined;
  readonly boards: ReadonlyMap<string, BoardAddress>;
}

/**
 * Reads the inventory; `undefined` when there is none.
 *
 * ```yaml
 * default: desk
 * boards:
 *   desk: 192.168.240.1
 *   rack: { host: 10.11.12.13, port: 17893, bmp: 10.11.12.12 }
 * ```
 * Throws `ERR_SPINN_FILE` saying what is wrong.
 */
export async function readInventory(path: string): Promise<Inventory | undefined> {
  let text: string;
  try {
    text = await readFile(path, "utf8");
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === "ENOENT" && process.env["SPINN_BOARDS"] === undefined) return undefined;
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
  const file = record(value, "the file", ["default", "boards"]);
  const boards = new Map<string, BoardAddress>();
  for (const [name, entry] of Object.entries(file["boards"] === undefined ? {} : (file["boards"] as Record<string, unknown>))) {
    const board = record(typeof entry === "string" ? { host: entry } : entry, `board "${name}"`, ["host", "port", "bmp"]);
    const { host, port, bmp } = board;
    if (typeof host !== "string" || host === "") throw new Error(`board "${name}" has no host`);
    if (port !== undefined && !(Number.isInteger(port) && Number(port) > 0 && Number(port) < 65536))
      throw new Error(`board "${name}": port must be 1 to 65535`);
    if (bmp !== undefined && typeof bmp !== "string") throw new Error(`board "${name}": bmp must be a host`);
    boards.set(name, { host, port: port as number | undefined, bmp });
  }
  const chosen = file["default"];
  if (chosen !== undefined && typeof chosen !== "string") throw new Error("default must be a name");
  return { default: chosen, boards };
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
