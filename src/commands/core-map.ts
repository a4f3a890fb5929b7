import { checkInteger } from "../errors.js";
import { Command, type ScpRequest } from "../wire/index.js";
import { EMPTY_ONCE, ShapedRequest } from "./shaped-request.js";
import { checkMonitor, type Target } from "./target.js";

/**
 * REMAP (16): takes a core out of use until the next boot; virtual numbers close up and **all application cores of the chip restart**.
 * `numbering` says whether `core` is a virtual (1..17) or a physical (0..17) number.
 *
 * Not repeatable: by virtual number a second execution takes out the next core, by physical number it restarts all cores again.
 * Throws `ERR_SPINN_ARGUMENT`. Source: scamp-cmd.c `cmd_remap`.
 */
export function remapCore(chip: Target, core: number, numbering: "virtual" | "physical"): ScpRequest<void> {
  const physical = numbering === "physical";
  checkInteger(`${numbering} core`, core, physical ? 0 : 1, 17);
  const fields = { arg1: core, arg2: physical ? 1 : 0 };
  return new ShapedRequest(EMPTY_ONCE, Command.REMAP, checkMonitor(chip, "REMAP"), fields, `${numbering} core ${core}`);
}
