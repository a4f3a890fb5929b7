import { Command, type ScpRequest } from "../wire/index.js";
import { readAddress } from "./ip-address.js";
import { type RequestShape, replyView, ShapedRequest } from "./shaped-request.js";
import { checkMonitor, type Target } from "./target.js";

/** What a chip says about itself. */
export interface ChipSummary {
  /** Working cores, the monitor included. */
  readonly coreCount: number;
  /** Bit n: link n is usable. 4.0.0 reports the set fixed at boot, older firmware tries each link when asked. */
  readonly links: number;
  /** Largest free block of router entries; 1023 when none are used. */
  readonly freeRouterEntries: number;
  readonly ethernetUp: boolean;
  /** Bytes. */
  readonly largestSdramBlock: number;
  /** Bytes. */
  readonly largestSysramBlock: number;
  /** State of virtual core 0..17. */
  readonly coreStates: readonly number[];
  /** Absent before 3.0. */
  readonly nearestEthernet: { readonly x: number; readonly y: number } | undefined;
  /** Own IPv4 address; absent without Ethernet and before 3.0. */
  readonly ipAddress: string | undefined;
  /** Link towards the root chip; absent on the root itself, where there is no route, and before 3.4. */
  readonly parentLink: number | undefined;
  /** `true` on the root chip; `undefined` before 3.4, which does not say. */
  readonly isRoot: boolean | undefined;
}

// The layout grew: 30 bytes in 2.1, 36 in 3.0, 38 since 3.4.
const SHAPE: RequestShape<ChipSummary> = {
  repeatable: true,
  minReply: 30,
  maxReply: 38,
  decode(datagram) {
    const view = replyView(datagram);
    const word = view.getUint32(0, true);
    const hasEthernet = view.byteLength >= 36;
    const parent = view.byteLength >= 38 ? view.getUint16(36, true) : undefined;
    return {
      coreCount: word & 31,
      links: (word >>> 8) & 0x3f,
      freeRouterEntries: (word >>> 14) & 0x7ff,
      ethernetUp: (word & 0x2000000) !== 0,
      largestSdramBlock: view.getUint32(4, true),
      largestSysramBlock: view.getUint32(8, true),
      coreStates: Array.from({ length: 18 }, (_, core) => view.getUint8(12 + core)),
      nearestEthernet: hasEthernet ? { x: view.getUint8(31), y: view.getUint8(30) } : undefined,
      ipAddress: hasEthernet ? readAddress(view, 32) : undefined,
      parentLink: parent !== undefined && parent < 6 ? parent : undefined,
      isRoot: parent === undefined ? undefined : parent === 7,
    };
  },
};

/**
 * INFO (31): cores, links, free memory, Ethernet. The arguments are not read by any firmware. Repeatable: it only reads.
 * Throws `ERR_SPINN_ARGUMENT`. Source: scamp-cmd.c `cmd_info`.
 */
export function getChipInfo(chip: Target): ScpRequest<ChipSummary> {
  return new ShapedRequest(SHAPE, Command.INFO, checkMonitor(chip, "INFO"), {}, "");
}
