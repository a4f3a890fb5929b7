import { SpinnError } from "../errors.js";
import { bmpKey } from "./board-access.js";
import type { FileShelf } from "./files.js";
import { boardOf, check } from "./run.js";
import type { BoardAddress, Script } from "./script.js";
import type { Variables } from "./variables.js";

/** One board of a fleet. */
export interface FleetBoard {
  /** What it is called; no two boards of a run are called the same. */
  readonly name: string;
  readonly address: BoardAddress;
  /** Values for the script that belong to this board. */
  readonly variables?: Variables | undefined;
}

/** The script as it is for one board: its variables in place. */
export type ScriptFor = (board: FleetBoard) => Script | Promise<Script>;

/**
 * The script for a board. What it says of a board of its own is left out, but for ports: with the BMP of another board this one would be
 * switched off and on in the wrong place.
 */
export async function scriptOf(scriptFor: ScriptFor, board: FleetBoard): Promise<Script> {
  const script = await scriptFor(board);
  const { port, bootPort } = script.board;
  return { ...script, board: { port, bootPort } };
}

/** The script of each board, checked with all of its files. What is wrong for all boards is said once. */
export async function readAll(scriptFor: ScriptFor, boards: readonly FleetBoard[], shelf: FileShelf): Promise<ReadonlyMap<string, Script>> {
  checkBoards(boards);
  const scripts = new Map<string, Script>();
  const wrong = new Map<string, string[]>();
  let hint: string | undefined;
  for (const board of boards) {
    try {
      const script = await scriptOf(scriptFor, board);
      scripts.set(board.name, script);
      await check(script, { board: board.address }, shelf);
    } catch (error) {
      if (!(error instanceof SpinnError) || error.code !== "ERR_SPINN_SCRIPT") throw error;
      hint ??= error.hint;
      for (const line of error.message.split("\n")) wrong.set(line, [...(wrong.get(line) ?? []), board.name]);
    }
  }
  if (wrong.size > 0) {
    const lines = [...wrong].map(([line, names]) => (names.length === boards.length ? line : `${names.join(", ")}: ${line}`));
    throw new SpinnError("ERR_SPINN_SCRIPT", lines.join("\n"), { hint });
  }
  checkSlots(boards, scripts);
  return scripts;
}

function checkBoards(boards: readonly FleetBoard[]): void {
  if (boards.length === 0) throw new SpinnError("ERR_SPINN_ARGUMENT", "no board is named");
  const names = new Set<string>();
  const places = new Map<string, string>();
  for (const { name, address } of boards) {
    if (names.has(name)) throw new SpinnError("ERR_SPINN_ARGUMENT", `two boards are called "${name}"`);
    names.add(name);
    if (address.host === undefined) continue;
    const place = `${address.host}:${address.port ?? ""}`;
    const other = places.get(place);
    if (other !== undefined) {
      throw new SpinnError("ERR_SPINN_ARGUMENT", `${other} and ${name} are the same board: both are at ${address.host}`, {
        hint: "name each board once",
      });
    }
    places.set(place, name);
  }
}

/** A power step that names no boards means the board's own slot: two boards of one BMP must not mean the same one. */
function checkSlots(boards: readonly FleetBoard[], scripts: ReadonlyMap<string, Script>): void {
  const taken = new Map<string, string>();
  for (const board of boards) {
    const script = scripts.get(board.name)!;
    const meansItself = ({ kind, values }: Script["steps"][number]): boolean =>
      kind === "power" && (values as { readonly boards?: unknown }).boards === undefined;
    const { bmp, slot = 0 } = boardOf(script, { board: board.address });
    if (bmp === undefined || !script.steps.some(meansItself)) continue;
    const place = `slot ${slot} of the BMP ${bmpKey(bmp)}`;
    const other = taken.get(place);
    if (other !== undefined) {
      throw new SpinnError("ERR_SPINN_ARGUMENT", `${other} and ${board.name} would both switch ${place}`, {
        hint: "give each board its slot in the inventory (slot: 0 to 23), or name the boards in the power step",
      });
    }
    taken.set(place, board.name);
  }
}
