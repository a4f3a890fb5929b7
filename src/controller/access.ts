import { SpinnError } from "../errors.js";
import { areaOf } from "../machine/index.js";
import { Command, SCP_REQUEST_OFFSET, SDP_DATA_OFFSET } from "../wire/index.js";

/**
 * What something does to a machine: `look` nothing, `change` its memory, applications and tables, `disturb` whether there is a machine at all.
 * Each includes those before. A run is never a mere look: others wait for their turn behind it.
 */
export const ACCESS = ["look", "change", "disturb"] as const;
export type Access = (typeof ACCESS)[number];

/** Throws `ERR_SPINN_REFUSED` for what reaches further than the controller allows. */
export function checkAccess(allowed: Access, wanted: Access, what: string): void {
  if (ACCESS.indexOf(wanted) <= ACCESS.indexOf(allowed)) return;
  throw new SpinnError("ERR_SPINN_REFUSED", `${what} may ${wanted} the machine, and this controller allows no more than to ${allowed}`, {
    hint: `whoever runs it can allow more: spinn serve --allow ${wanted}`,
  });
}

/** What listens at the other end of a channel. */
export type Listener = "board" | "bmp" | "boot";

/** Commands that only answer, whatever their arguments. LINK_READ is the FPGA's at a BMP. */
const LOOKS: ReadonlySet<number> = new Set([Command.VER, Command.LINK_READ, Command.COUNT, Command.INFO, Command.BMP_INFO]);
/** Commands of a BMP that do not touch the machine it holds. */
const BMP_CHANGES: ReadonlySet<number> = new Set([Command.LED, Command.IPTAG]);
const TAG = { GET: 2, TIMEOUT: 4 } as const;
/** TTO sets nothing from here on. */
const NO_TIMEOUT = 16;
const SIGNAL_BY_REGION = 1;
const REGION_STATE = 1;
const ROUTER_INIT = 0;
const ROUTER_FIXED = 3;
const ALLOC_SPACE = 6;
const ALLOC_TAG_POINTER = 7;
const SROM_WRITE = 0x180;
const SROM_READ = 3;
/** READ and CRC of the BMP's flash; READ of its EEPROM is 0 too. */
const FLASH_LOOKS: ReadonlySet<number> = new Set([0, 2]);

/**
 * What a datagram does when it gets to a board, its boot ROM, or its BMP. Whatever is not known to be harmless counts as what it could do at
 * worst: another SDP port is an application's, a boot ROM takes images, a read of no memory kills a monitor, and a BMP's other commands
 * switch supplies or rewrite its flash.
 */
export function accessOf(datagram: Uint8Array, listener: Listener): Access {
  if (listener === "boot") return "disturb";
  if (onlyAsks(datagram, listener)) return "look";
  if (listener === "board") return isScp(datagram) && endsSomething(datagram) ? "disturb" : "change";
  return isScp(datagram) && BMP_CHANGES.has(commandOf(datagram)) ? "change" : "disturb";
}

/** Takes a core from the machine, or the monitor's own routes with all others. */
function endsSomething(datagram: Uint8Array): boolean {
  const command = commandOf(datagram);
  return command === Command.REMAP || (command === Command.RTR && datagram[14] === ROUTER_INIT);
}

function isScp(datagram: Uint8Array): boolean {
  return datagram.length >= SCP_REQUEST_OFFSET && datagram[4]! >> 5 === 0;
}

function commandOf(datagram: Uint8Array): number {
  return datagram[SDP_DATA_OFFSET]! | (datagram[SDP_DATA_OFFSET + 1]! << 8);
}

/** Sources: scamp-cmd.c `cmd_iptag`, `cmd_rtr`, `cmd_alloc`; spinn_srom.c `cmd_srom`; scamp-app.c; sark_base.c `sark_cmd_read`; bmp_cmd.c. */
function onlyAsks(datagram: Uint8Array, listener: Listener): boolean {
  if (!isScp(datagram)) return false;
  const view = new DataView(datagram.buffer, datagram.byteOffset, datagram.byteLength);
  const command = commandOf(datagram);
  const [arg1, arg2, arg3] = [14, 18, 22].map((offset) => view.getUint32(offset, true)) as [number, number, number];
  switch (command) {
    case Command.READ:
      return listener === "bmp" || isMemory(arg1, arg2);
    case Command.IPTAG: {
      const operation = (arg1 >>> 16) & 0xff;
      return operation === TAG.GET || (operation === TAG.TIMEOUT && arg2 >= NO_TIMEOUT);
    }
    case Command.SIG:
      return listener === "board" && arg1 === SIGNAL_BY_REGION && ((arg2 >>> 22) & 0xf) === REGION_STATE;
    case Command.RTR:
      return listener === "board" && (arg1 & 0xff) === ROUTER_FIXED && arg2 >>> 31 === 1;
    case Command.ALLOC:
      return listener === "board" && ((arg1 & 0xff) === ALLOC_SPACE || (arg1 & 0xff) === ALLOC_TAG_POINTER);
    case Command.SROM:
      return listener === "board" && (arg1 & SROM_WRITE) === 0 && arg2 >>> 24 === SROM_READ;
    case Command.BMP_SF:
      return listener === "bmp" && FLASH_LOOKS.has(arg3);
    case Command.BMP_EE:
      return listener === "bmp" && arg3 === 0;
    default:
      return LOOKS.has(command);
  }
}

function isMemory(address: number, length: number): boolean {
  const area = areaOf(address);
  return area !== undefined && areaOf(address + Math.max(1, length) - 1) === area;
}
