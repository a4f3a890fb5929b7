import { checkInteger, SpinnError } from "../errors.js";
import { Command, type ScpRequest } from "../wire/index.js";
import { BmpRequest, boardMask } from "./bmp-request.js";
import { EMPTY_ONCE, EMPTY_REPEATABLE } from "./shaped-request.js";

export interface PowerOptions {
  /** Board `n` waits n times so long, so that a frame's supplies do not start at once. Unit ms. Default 0. */
  readonly delayMs?: number | undefined;
  /**
   * The board that is asked; it passes the order on to the others. Default 0, the one with the frame's Ethernet. Its reply comes after
   * its own sequence if it is one of the boards, else at once; for the other boards nothing reports success.
   */
  readonly via?: number | undefined;
}

// Loading three FPGAs takes seconds; SpiNNMan, the Java allocator and bmpc allow 5..10 s.
const POWER_ON_SLOW_MS = 10_000;
const POWER_OFF_SLOW_MS = 2_000;
const RESET_SLOW_MS = 2_000;
/** The BMP's watchdog bites after 10 s, is not fed while a board waits, and FPGAs are loaded after the wait. */
const MAX_WAIT_MS = 5_000;

/**
 * POWER (57): switches boards on or off. Read back afterwards: the supplies (BMP_INFO 3) and the FLAG register of each FPGA, whose low two
 * bits are the FPGA's number.
 *
 * "Off" is repeatable: off stays off. "On" is not: the sequence starts from the beginning and resets a machine that runs.
 * Throws `ERR_SPINN_ARGUMENT`, also for a delay that would starve the BMP's watchdog. Source: bmp_cmd.c, bmp_hw.c.
 */
export function setPower(on: boolean, boards: Iterable<number>, options: PowerOptions = {}): ScpRequest<void> {
  const mask = boardMask(boards);
  const delayMs = checkInteger("delay in ms", options.delayMs ?? 0, 0, 0xffff);
  const via = options.via ?? 0;
  const last = 31 - Math.clz32(mask);
  if (delayMs * last > MAX_WAIT_MS) {
    throw new SpinnError("ERR_SPINN_ARGUMENT", `board ${last} would wait ${delayMs * last} ms: the BMP's watchdog does not allow that`, {
      hint: `keep delay times board number below ${MAX_WAIT_MS} ms`,
    });
  }
  const shape = { ...(on ? EMPTY_ONCE : EMPTY_REPEATABLE), slowMs: (on ? POWER_ON_SLOW_MS : POWER_OFF_SLOW_MS) + delayMs * via };
  const fields = { arg1: (delayMs << 16) | (on ? 1 : 0), arg2: mask };
  return new BmpRequest(shape, Command.POWER, via, fields, `${on ? "on" : "off"} for boards ${boardList(mask)}`);
}

export type ResetAction = "release" | "hold" | "pulse";

const RESET_CODES: Readonly<Record<ResetAction, number>> = { release: 0, hold: 1, pulse: 2 };
const WITH_FPGAS = 4;

export interface ResetOptions extends PowerOptions {
  /** Also work the FPGAs' reset line. Default `false`. */
  readonly fpgas?: boolean | undefined;
}

/**
 * RESET (55): SpiNNaker's reset line of boards. After a release leave a second before talking to the board. Holding and releasing are
 * repeatable (the line stays where it is), a pulse is not: it resets once more. Throws `ERR_SPINN_ARGUMENT`.
 */
export function resetBoards(action: ResetAction, boards: Iterable<number>, options: ResetOptions = {}): ScpRequest<void> {
  const code = RESET_CODES[action];
  if (code === undefined) throw new SpinnError("ERR_SPINN_ARGUMENT", `${JSON.stringify(action)} is none of release, hold, pulse`);
  const mask = boardMask(boards);
  const delayMs = checkInteger("delay in ms", options.delayMs ?? 0, 0, 0xffff);
  const via = options.via ?? 0;
  const shape = { ...(action === "pulse" ? EMPTY_ONCE : EMPTY_REPEATABLE), slowMs: RESET_SLOW_MS + delayMs * via };
  const fields = { arg1: (delayMs << 16) | code | (options.fpgas ? WITH_FPGAS : 0), arg2: mask };
  return new BmpRequest(shape, Command.RESET, via, fields, `${action} for boards ${boardList(mask)}`);
}

function boardList(mask: number): string {
  return Array.from({ length: 24 }, (_, board) => board)
    .filter((board) => (mask >>> board) & 1)
    .join(",");
}
