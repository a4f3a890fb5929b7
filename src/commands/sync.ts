import { Command, type ScpRequest } from "../wire/index.js";
import { EMPTY_REPEATABLE, ShapedRequest } from "./shaped-request.js";
import { ROOT_CHIP } from "./target.js";

/**
 * SYNC (32), since 4.0.0: switches the root chip's beacons, by which chips measure their clocks' drift, on or off. Repeatable: on stays on.
 * Source: scamp-cmd.c `cmd_sync`.
 */
export function setClockSync(on: boolean): ScpRequest<void> {
  return new ShapedRequest(EMPTY_REPEATABLE, Command.SYNC, ROOT_CHIP, { arg1: on ? 1 : 0 }, on ? "on" : "off");
}
