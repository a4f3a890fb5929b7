import { hex32, SpinnError } from "../errors.js";

/** An area of the address space of a chip, seen over SCP. Source: spinnaker_tools `include/spinnaker.h`. */
export interface MemoryArea {
  readonly name: string;
  /** First address, buffered alias. */
  readonly base: number;
  readonly sizeBytes: number;
  /** The same bytes without write buffer, where there is such an alias. */
  readonly unbufferedBase?: number;
  /** Only the core itself sees it: requests must name that core. */
  readonly perCore: boolean;
  /** Registers: whole words only. */
  readonly registers: boolean;
}

const KIB = 1024;

const area = (
  name: string,
  base: number,
  sizeBytes: number,
  unbufferedBase: number | undefined,
  kind: "memory" | "core" | "registers",
) => ({
  name,
  base,
  sizeBytes,
  ...(unbufferedBase === undefined ? {} : { unbufferedBase }),
  perCore: kind === "core",
  registers: kind === "registers",
});

export const ITCM: MemoryArea = area("ITCM", 0x00000000, 32 * KIB, undefined, "core");
export const DTCM: MemoryArea = area("DTCM", 0x00400000, 64 * KIB, undefined, "core");
export const SDRAM: MemoryArea = area("SDRAM", 0x60000000, 128 * KIB * KIB, 0x70000000, "memory");
export const SDRAM_CONTROLLER: MemoryArea = area("SDRAM controller", 0xe0000000, 0x1000, 0xf0000000, "registers");
export const ROUTER: MemoryArea = area("router", 0xe1000000, 0x20000, 0xf1000000, "registers");
export const SYSTEM_CONTROLLER: MemoryArea = area("system controller", 0xe2000000, 0x1000, 0xf2000000, "registers");
export const WATCHDOG: MemoryArea = area("watchdog", 0xe3000000, 0x1000, 0xf3000000, "registers");
export const ETHERNET: MemoryArea = area("Ethernet", 0xe4000000, 0x10000, 0xf4000000, "registers");
export const SYSRAM: MemoryArea = area("SysRAM", 0xe5000000, 32 * KIB, 0xf5000000, "memory");
export const BOOT_ROM: MemoryArea = area("boot ROM", 0xf6000000, 32 * KIB, undefined, "memory");

/** Every area a request can reach without killing the core that serves it. Peripherals private to a core (comms, timer, DMA) are left out. */
export const MEMORY_AREAS: readonly MemoryArea[] = [
  ITCM,
  DTCM,
  SDRAM,
  SDRAM_CONTROLLER,
  ROUTER,
  SYSTEM_CONTROLLER,
  WATCHDOG,
  ETHERNET,
  SYSRAM,
  BOOT_ROM,
];

/** System variables, unbuffered: the address every client reads them at. */
export const SV_BASE = 0xf5007f00;
export const SV_SIZE = 256;
/** First of 18 `vcpu` blocks, buffered. */
export const VCPU_BASE = 0xe5007000;
export const VCPU_SIZE = 128;
/** Load buffer (sv.sdram_sys) of a chip booted with the usual values, 256 KiB. */
export const SDRAM_SYSTEM_BUFFER = 0x67800000;
export const SDRAM_SYSTEM_BUFFER_SIZE = 256 * KIB;
/** User SDRAM (sv.sdram_base) of a chip booted with the usual values. */
export const SDRAM_USER_BASE = 0x60240000;
/** P2P routing table: column x is 128 bytes at `P2P_TABLE + 128 x`. */
export const P2P_TABLE = 0xe1010000;
export const P2P_COLUMN_SIZE = 128;

/** Router registers. Source: spinnaker_tools `include/spinnaker.h`; the order of the counters is sm's and ybug's. */
export const ROUTER_CONTROL = 0xe1000000;
export const ROUTER_STATUS = 0xe1000004;
export const ROUTER_ERROR_STATUS = 0xe1000014;
/** Writing 0xFFFFFFFF here clears all counters. */
export const ROUTER_DIAGNOSTIC_CONTROL = 0xf100002c;
export const ROUTER_FIXED_ROUTE = 0xe1000084;
export const ROUTER_FILTERS = 0xe1000200;
export const ROUTER_COUNTERS = 0xe1000300;
export const ROUTER_COUNTER_COUNT = 16;
/** Multicast routing entries of a router; entry 0 belongs to SC&MP. */
export const ROUTER_ENTRY_COUNT = 1024;

/** Address of the `vcpu` block of a core. */
export function vcpuAddress(p: number): number {
  return VCPU_BASE + VCPU_SIZE * p;
}

/** The buffered alias of an address: one address for one byte. Addresses without alias come back unchanged. */
export function canonical(address: number): number {
  const place = areaOf(address);
  return place?.unbufferedBase !== undefined && address >= place.unbufferedBase
    ? (address - place.unbufferedBase + place.base) >>> 0
    : address >>> 0;
}

/** The unbuffered alias of an address, where it has one. */
export function unbuffered(address: number): number {
  const place = areaOf(address);
  return place?.unbufferedBase !== undefined && address < place.unbufferedBase
    ? (address - place.base + place.unbufferedBase) >>> 0
    : address >>> 0;
}

/** The area an address lies in, through either alias; `undefined` where nothing is. */
export function areaOf(address: number): MemoryArea | undefined {
  return MEMORY_AREAS.find((place) => startIn(place, address) !== undefined);
}

/**
 * The area of a whole range. Throws `ERR_SPINN_MEMORY` when the range touches addresses where nothing answers: on a real chip such an access
 * is a data abort that kills the monitor, so it is refused here.
 */
export function checkAddressRange(address: number, length: number): MemoryArea {
  if (!Number.isInteger(address) || address < 0 || address > 0xffffffff || !Number.isInteger(length) || length < 0) {
    throw new SpinnError("ERR_SPINN_MEMORY", `no such range: ${length} bytes at ${address}`, {
      hint: "addresses are whole numbers of 32 bits, lengths are not negative",
    });
  }
  const place = areaOf(address);
  if (place === undefined) {
    throw new SpinnError("ERR_SPINN_MEMORY", `nothing is at ${hex32(address)}; an access there kills the core that makes it`, {
      hint: `memory is ${[SDRAM, SYSRAM, ITCM, DTCM].map(describe).join(", ")}`,
    });
  }
  const end = startIn(place, address)! + place.sizeBytes;
  if (address + length > end) {
    throw new SpinnError(
      "ERR_SPINN_MEMORY",
      `${length} bytes at ${hex32(address)} reach past the end of ${place.name} at ${hex32(end - 1)}`,
      {
        hint: `${end - address} bytes are left from there`,
      },
    );
  }
  return place;
}

function startIn(place: MemoryArea, address: number): number | undefined {
  if (address >= place.base && address < place.base + place.sizeBytes) return place.base;
  const alias = place.unbufferedBase;
  return alias !== undefined && address >= alias && address < alias + place.sizeBytes ? alias : undefined;
}

function describe(place: MemoryArea): string {
  return `${place.name} ${hex32(place.base)}..${hex32(place.base + place.sizeBytes - 1)}`;
}
