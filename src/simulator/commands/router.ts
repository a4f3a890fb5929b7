import { ReturnCode } from "../../wire/index.js";
import type { ScpAnswer, ScpCall } from "../scp-call.js";

const ENTRIES = 1024;

/** RTR: arg1 = count[31:16], app_id[15:8], op[7:0]. */
export function router(call: ScpCall): ScpAnswer {
  const { chip, arg2 } = call;
  const count = call.arg1 >>> 16;
  switch (call.arg1 & 0xff) {
    case 0:
      chip.routes.initialise();
      return ReturnCode.OK;
    case 1:
      if (arg2 + count > ENTRIES) return ReturnCode.ARG;
      chip.routes.empty(arg2, count);
      return ReturnCode.OK;
    case 2:
      return load(call, count);
    case 3:
      if (arg2 >>> 31 === 1) return call.words(chip.sv("fr_copy"));
      chip.setSv("fr_copy", arg2 & 0x00ffffff);
      chip.router.fixedRoute = ((chip.router.fixedRoute & 0xff000000) | chip.physicalRoute(arg2 & 0x00ffffff)) >>> 0;
      return ReturnCode.OK;
    default:
      return ReturnCode.ARG;
  }
}

/** Each entry of the table in memory says its own place, counted from arg3. */
function load(call: ScpCall, announced: number): ScpAnswer {
  const { chip, arg2: table, arg3: base } = call;
  const appId = (call.arg1 >>> 8) & 0xff;
  const count = announced === 0 ? chip.memory.readHalf((table + 2) >>> 0) : announced;
  if (count > ENTRIES) return ReturnCode.ARG;
  for (let i = 0; i < count; i += 1) {
    const at = (table + 16 * i) >>> 0;
    const index = base + chip.memory.readHalf(at);
    if (index >= ENTRIES) return ReturnCode.ARG;
    chip.routes.set(index, chip.memory.readWord(at + 4), chip.memory.readWord(at + 8), chip.memory.readWord(at + 12), appId);
  }
  return ReturnCode.OK;
}
