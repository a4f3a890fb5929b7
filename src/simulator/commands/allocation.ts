import { ReturnCode } from "../../wire/index.js";
import { allocateSdram, freeSdram, freeSdramOf, soil } from "../allocation.js";
import { DataAbort } from "../memory.js";
import type { ScpAnswer, ScpCall } from "../scp-call.js";

/** In `extra` of op ALLOC_SDRAM: a repeat of the same request gets the same block. */
const RETRY = 4;

/** ALLOC: arg1 = extra[23:16], app_id[15:8], op[7:0]. */
export function allocate(call: ScpCall): ScpAnswer {
  const { chip, arg2, arg3 } = call;
  const appId = (call.arg1 >>> 8) & 0xff;
  switch (call.arg1 & 0xff) {
    case 0: {
      const again = call.system.firmware.allocatesAgain && ((call.arg1 >>> 16) & 0xff & RETRY) !== 0;
      return call.words(allocateSdram(chip, appId, arg2, arg3, again));
    }
    case 1:
      if (arg2 < 8) throw new DataAbort(arg2);
      freeSdram(chip, arg2);
      return ReturnCode.OK;
    case 2:
      return call.words(freeSdramOf(chip, appId));
    case 3: {
      const first = chip.routes.allocate(arg2, appId);
      if (first !== 0) soil(chip, appId);
      return call.words(first);
    }
    case 4:
      chip.routes.release(arg2, arg3 !== 0);
      return ReturnCode.OK;
    case 5:
      return call.words(chip.routes.releaseApplication(appId, arg2 !== 0));
    case 6:
      return call.words(chip.sdramHeap.freeBytes, chip.sdramHeap.largest());
    case 7:
      return call.words(arg2 > 255 ? 0 : chip.memory.readWord(chip.allocTag(appId, arg2)));
    default:
      return ReturnCode.ARG;
  }
}
