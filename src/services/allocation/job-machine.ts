import { fieldsOf, integerOf, integersOf, listOf, orNull, textOf, unexpected } from "./fields.js";

/** A board by its place in the machine: triad x, y and board z (0, 1, 2) of that triad. */
export interface BoardPlace {
  readonly x: number;
  readonly y: number;
  readonly z: number;
}

/** A board by its place in the room. */
export interface BoardPosition {
  readonly cabinet: number;
  readonly frame: number;
  readonly board: number;
}

/** The boards of a job as the machine that its owner sees. */
export interface JobMachine {
  /** The machine they were taken from. */
  readonly machine: string;
  /** In chips: 8 by 8 for one board; else whole triads of 12 by 12, and 4 more where it does not wrap round. */
  readonly width: number;
  readonly height: number;
  /** One per board: its Ethernet chip, counted from the job's own corner, and its host name or address. Sorted by x, then y. */
  readonly connections: readonly { readonly chip: { readonly x: number; readonly y: number }; readonly host: string }[];
  /** Sorted by x, y, z. */
  readonly boards: readonly BoardPlace[];
  /** Host of the Ethernet chip at 0,0: the one to boot through. */
  readonly host: string;
}

export function decodeBoardPlace(value: unknown, what: string): BoardPlace {
  const [x, y, z] = integersOf(value, what, 3) as [number, number, number];
  return { x, y, z };
}

export function decodeChip(value: unknown, what: string): { readonly x: number; readonly y: number } {
  const [x, y] = integersOf(value, what, 2) as [number, number];
  return { x, y };
}

/** Reads the answer to get_job_machine_info: null while nothing is allocated. */
export function decodeJobMachine(value: unknown): JobMachine | null {
  const fields = fieldsOf(value, "the machine of a job");
  if (orNull(fields["machine_name"], "machine_name", textOf) === null || fields["connections"] === null) return null;
  return makeJobMachine(
    textOf(fields["machine_name"], "machine_name"),
    sizeOf(fields["width"], "width"),
    sizeOf(fields["height"], "height"),
    decodeConnections(fields["connections"]),
    listOf(fields["boards"], "boards", decodeBoardPlace),
  );
}

/** Puts connections and boards (sets in the server) into order, and finds the host to boot through. */
export function makeJobMachine(
  machine: string,
  width: number,
  height: number,
  connections: readonly JobMachine["connections"][number][],
  boards: readonly BoardPlace[],
): JobMachine {
  const root = connections.find(({ chip }) => chip.x === 0 && chip.y === 0);
  if (root === undefined) throw unexpected("connections", "a list that has chip 0,0", connections);
  return {
    machine,
    width,
    height,
    connections: [...connections].sort((a, b) => a.chip.x - b.chip.x || a.chip.y - b.chip.y),
    boards: [...boards].sort((a, b) => a.x - b.x || a.y - b.y || a.z - b.z),
    host: root.host,
  };
}

export function decodeConnections(value: unknown): JobMachine["connections"][number][] {
  return listOf(value, "connections", (item, what) => {
    if (!Array.isArray(item) || item.length !== 2) throw unexpected(what, "a chip and a host", item);
    return { chip: decodeChip(item[0], what), host: textOf(item[1], what) };
  });
}

/** A length in chips: coordinates are bytes. */
function sizeOf(value: unknown, what: string): number {
  const size = integerOf(value, what);
  if (size < 1 || size > 256) throw unexpected(what, "1 to 256 chips", value);
  return size;
}
