import { checkInteger } from "../errors.js";
import { CORE_COUNT } from "../machine/index.js";

/**
 * Where a request goes: a chip (its monitor) or, with `p`, one of its cores by virtual number. A `ChipCoordinates` or `CoreCoordinates` of
 * the machine room is a target.
 */
export interface Target {
  readonly x: number;
  readonly y: number;
  /** Virtual core 0..17. Default 0, the monitor. */
  readonly p?: number | undefined;
}

/** The chip from which the machine was booted. SC&MP replaces 255,255 by its coordinates before it does anything else (scamp-3.c). */
export const ROOT_CHIP: Target = { x: 255, y: 255 };

/** Throws `ERR_SPINN_ARGUMENT` for coordinates outside 0..255 or a core outside 0..17. */
export function checkTarget(target: Target): Target {
  checkInteger("chip x", target.x, 0, 255);
  checkInteger("chip y", target.y, 0, 255);
  if (target.p !== undefined) checkInteger("core", target.p, 0, CORE_COUNT - 1);
  return target;
}

/** As {@link checkTarget}, for a command that only the monitor serves. */
export function checkMonitor(target: Target, command: string): Target {
  checkTarget(target);
  if (target.p !== undefined) checkInteger(`core (${command} is served by the monitor only)`, target.p, 0, 0);
  return target;
}

/** `chip 1,2`, `core 1,2,3` or `the root chip`. */
export function targetWords(x: number, y: number, p: number): string {
  if (p !== 0) return `core ${x},${y},${p}`;
  return x === 255 && y === 255 ? "the root chip" : `chip ${x},${y}`;
}
