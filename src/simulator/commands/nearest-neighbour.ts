import { ReturnCode } from "../../wire/index.js";
import { signalChip } from "../applications.js";
import type { Chip } from "../chip.js";
import { FloodFill } from "../flood-fill.js";
import { DataAbort } from "../memory.js";
import type { ScpAnswer, ScpCall } from "../scp-call.js";
import type { System } from "../system.js";

// Opcodes of nearest-neighbour packets, key[27:24].
const SIG0 = 0;
const SIG1 = 4;
const FFS = 6;
const FFCS = 7;
const FFE = 15;
/** Sub-opcode of SIG0: a signal to applications. */
const APPLICATION_SIGNAL = 5;

/** NNP: arg1 = key, arg2 = data, arg3 = allocate id[31], forward[15:8], retry[7:0]. Every working chip hears the packet. */
export function nearestNeighbour(call: ScpCall): ScpAnswer {
  const { system } = call;
  let key = call.arg1;
  if (call.arg3 >>> 31 === 1) {
    system.lastId = (system.lastId % 127) + 1;
    key = ((key & ~0xfe) | (system.lastId << 1)) >>> 0;
    call.chip.setSv("last_id", system.lastId);
  }
  const data = call.arg2;
  switch ((key >>> 24) & 15) {
    case SIG0:
      if (data >>> 28 === APPLICATION_SIGNAL) for (const chip of living(system)) signalChip(system, chip, data);
      break;
    case SIG1:
      if (((key >>> 20) & 15) === 0) for (const chip of living(system)) writeMemory(chip, key, data);
      break;
    case FFS:
      system.flood = new FloodFill(key, data);
      break;
    case FFCS:
      system.flood?.select(key & 0x3ffff, data);
      break;
    case FFE:
      if (system.flood?.id === (key & 0xfe)) {
        system.flood.end(system, data);
        system.flood = undefined;
      }
      break;
    default:
  }
  return ReturnCode.OK;
}

/** FFD: arg1 = forward[31:24], retry[23:16], id[7:0]; arg2 = block[23:16], words - 1 [15:8]; arg3 = address. */
export function floodData(call: ScpCall): ScpAnswer {
  const { flood } = call.system;
  if (flood === undefined || flood.id !== (call.arg1 & 0xfe)) return ReturnCode.OK;
  const data = new Uint8Array(4 * (((call.arg2 >>> 8) & 0xff) + 1));
  data.set(call.data.subarray(0, data.length));
  flood.block(call.system, (call.arg2 >>> 16) & 0xff, call.arg3, data);
  return ReturnCode.OK;
}

/** SIG1 memory write: type[19:18] byte, half, word; area[17:16]; offset[15:8]. */
function writeMemory(chip: Chip, key: number, value: number): void {
  const bases = [0xe5007f00, chip.sv("sysram_base"), 0xe2000000, chip.sv("mem_ptr")];
  const address = (bases[(key >>> 16) & 3]! + ((key >>> 8) & 0xff)) >>> 0;
  const type = (key >>> 18) & 3;
  try {
    if (type === 0) chip.memory.writeByte(address, value & 0xff);
    else if (type === 1) chip.memory.writeHalf(address, value & 0xffff);
    else if (type === 2) chip.memory.writeWord(address, value);
  } catch (error) {
    if (!(error instanceof DataAbort)) throw error;
    chip.dead = true;
  }
}

function living(system: System): Chip[] {
  return system.chips.filter((chip) => !chip.dead);
}
