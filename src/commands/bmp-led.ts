import { Command, type ScpRequest } from "../wire/index.js";
import { BmpRequest } from "./bmp-request.js";
import { type LedActions, ledsAreRepeatable, ledWord, ledWords } from "./led.js";
import { EMPTY_ONCE, EMPTY_REPEATABLE } from "./shaped-request.js";

/**
 * LED (25) on a BMP, LEDs 0..7. Only the addressed board acts, whatever its mask says, so there is one request per board. The firmware
 * itself drives 0, 2, 3, 5 and 6; 4 and 7 tell "which board is this". Repeatable unless something is inverted. Throws
 * `ERR_SPINN_ARGUMENT`.
 */
export function setBmpLeds(board: number, actions: LedActions): ScpRequest<void> {
  const shape = ledsAreRepeatable(actions) ? EMPTY_REPEATABLE : EMPTY_ONCE;
  return new BmpRequest(shape, Command.LED, board, { arg1: ledWord(actions, 8), arg2: 1 << board }, ledWords(actions));
}
