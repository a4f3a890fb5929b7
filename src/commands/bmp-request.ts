import { checkInteger } from "../errors.js";
import { type RequestShape, type RequestWords, ShapedRequest } from "./shaped-request.js";

/** Boards of a frame. */
export const FRAME_BOARDS = 24;

/** A request to the BMP of one board of a frame: the board number travels where SC&MP has the core. */
export class BmpRequest<T> extends ShapedRequest<T> {
  constructor(shape: RequestShape<T>, command: number, board: number, fields: RequestWords, words: string) {
    super(shape, command, { x: 0, y: 0, p: checkBoard(board) }, fields, words);
  }

  protected override place(): string {
    return `the BMP of board ${this.p}`;
  }
}

/** Throws `ERR_SPINN_ARGUMENT` for anything but 0..23. */
export function checkBoard(board: number): number {
  return checkInteger("board", board, 0, FRAME_BOARDS - 1);
}

/** Boards as a mask. Throws `ERR_SPINN_ARGUMENT` for a board outside 0..23, or none. */
export function boardMask(boards: Iterable<number>): number {
  let mask = 0;
  for (const board of boards) mask |= 1 << checkBoard(board);
  checkInteger("mask of boards", mask, 1, 0xffffff);
  return mask;
}
