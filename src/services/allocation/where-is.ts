import { fieldsOf, integerOf, integersOf, orNull, textOf } from "./fields.js";
import { type BoardPlace, type BoardPosition, decodeBoardPlace, decodeChip } from "./job-machine.js";

/** The four ways to name a place. Coordinates outside the machine wrap round it. */
export type PlaceQuery =
  | ({ readonly machine: string } & BoardPlace)
  | ({ readonly machine: string } & BoardPosition)
  | { readonly machine: string; readonly chip: { readonly x: number; readonly y: number } }
  | { readonly jobId: number; readonly chip: { readonly x: number; readonly y: number } };

/** One place under all its names. */
export interface Place {
  readonly machine: string;
  readonly board: BoardPlace;
  readonly position: BoardPosition;
  /** Chip in the machine booted as a whole. */
  readonly chip: { readonly x: number; readonly y: number };
  /** Chip counted from the corner of its board. */
  readonly boardChip: { readonly x: number; readonly y: number };
  /** The job that has the board, and the chip counted from that job's corner; null when the board is free. */
  readonly jobId: number | null;
  readonly jobChip: { readonly x: number; readonly y: number } | null;
}

/** The keywords of where_is: exactly one of the four sets, anything else is an error (and before 1.0.0 the end of the connection). */
export function encodePlaceQuery(query: PlaceQuery): Record<string, string | number> {
  if ("jobId" in query) return { job_id: query.jobId, chip_x: query.chip.x, chip_y: query.chip.y };
  if ("chip" in query) return { machine: query.machine, chip_x: query.chip.x, chip_y: query.chip.y };
  if ("cabinet" in query) return { machine: query.machine, cabinet: query.cabinet, frame: query.frame, board: query.board };
  return { machine: query.machine, x: query.x, y: query.y, z: query.z };
}

export function decodeBoardPosition(value: unknown, what: string): BoardPosition {
  const [cabinet, frame, board] = integersOf(value, what, 3) as [number, number, number];
  return { cabinet, frame, board };
}

/** Reads the answer to where_is; null where there is no board. */
export function decodePlace(value: unknown): Place | null {
  if (value === null) return null;
  const fields = fieldsOf(value, "a place");
  return {
    machine: textOf(fields["machine"], "machine"),
    board: decodeBoardPlace(fields["logical"], "logical"),
    position: decodeBoardPosition(fields["physical"], "physical"),
    chip: decodeChip(fields["chip"], "chip"),
    boardChip: decodeChip(fields["board_chip"], "board_chip"),
    jobId: orNull(fields["job_id"], "job_id", integerOf),
    jobChip: orNull(fields["job_chip"], "job_chip", decodeChip),
  };
}
