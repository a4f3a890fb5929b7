import { isIPv4 } from "node:net";
import type { FleetBoard, Variables } from "../bringup/index.js";
import { resolveBoard } from "./board.js";
import { type BoardAddress, type Inventory, matchNames } from "./inventory.js";
import { nearestWord } from "./nearest.js";
import { usage } from "./usage.js";

/**
 * The boards that are meant by names, groups, patterns (`rack1-*`) and addresses, each once, in the order in which they are named. A word that
 * is none of these is refused: what switches boards is not left to a name server.
 */
export function selectBoards(words: readonly string[], inventory: Inventory | undefined): FleetBoard[] {
  const selected = new Map<string, FleetBoard>();
  for (const word of words)
    for (const name of namesOf(word, inventory)) selected.set(name, fleetBoard(name, resolveBoard(name, inventory), inventory));
  return [...selected.values()];
}

/** A board as bring-up takes it: with its BMP looked up, and what scripts may say of it as `board.name`, `board.host` and so on. */
export function fleetBoard(name: string, board: BoardAddress, inventory: Inventory | undefined): FleetBoard {
  const { host, port, slot } = board;
  const bmp = board.bmp === undefined ? undefined : resolveBoard(board.bmp, inventory);
  const own = { "board.name": name, "board.host": host, "board.bmp": bmp?.host, "board.slot": slot };
  const known = Object.fromEntries(Object.entries(own).filter(([, value]) => value !== undefined)) as Variables;
  return {
    name,
    address: { host, port, slot, bmp: bmp === undefined ? undefined : { host: bmp.host, port: bmp.port } },
    variables: { ...board.variables, ...known },
  };
}

function namesOf(word: string, inventory: Inventory | undefined): readonly string[] {
  const boards = inventory?.boards ?? new Map<string, BoardAddress>();
  const group = inventory?.groups.get(word);
  if (group !== undefined) return group;
  if (word === "") throw usage("--boards: a name is missing", "write names with commas between them: rack1,desk");
  const matching = matchNames(word, boards.keys());
  if (matching.length > 0) return matching;
  if (isIPv4(word.split(":", 1)[0]!)) return [word];
  const known = [...(inventory?.groups.keys() ?? []), ...boards.keys()];
  const near = nearestWord(word, known);
  const hint =
    near !== undefined
      ? `did you mean "${near}"?`
      : known.length === 0
        ? "there is no inventory, or it names no boards: spinn help boards shows how it is written"
        : `the inventory has ${known.slice(0, 12).join(", ")}${known.length > 12 ? ", ..." : ""}`;
  throw usage(`--boards: there is no board and no group "${word}"`, hint);
}
