import { crc32 } from "node:zlib";
import type { ChipCoordinates } from "../../machine/index.js";
import { CORE_COUNT, LINK_COUNT, type MachineGeometry } from "../../machine/index.js";
import type { DeadParts } from "../network.js";
import { writeFirmware } from "./firmware-image.js";
import type { Flash } from "./flash.js";
import { addressRecord, type BmpIdentity, wordsOf } from "./records.js";

const DATA_SECTOR = 0x1000;
const SECTOR_SIZE = 0x1000;
const ENTRY_SIZE = 128;
const BOARD_INFO = 0x1e00;
const BIT_FILE = 0x200000;
const BIT_FILE_STEP = 0x180000;
const BIT_FILE_SIZE = 0x16e360;
const ENABLED = 0x8000;
const ALL_FPGAS = 7;

/** What the flash memories of a BMP hold when the board comes out of its box. Layouts: spinnaker_tools `bmp/bmp.h`. */
export function fillFlashes(identity: BmpIdentity, blacklist: readonly number[], flash: Flash, serial: Flash): void {
  const sector = new Uint8Array(SECTOR_SIZE).fill(0xff);
  const addresses = addressRecord(identity);
  const info = wordsOf(blacklist.length, ...blacklist);
  entry(sector, 0, 1, 32, ENABLED, 0, 0, addresses.subarray(0, 32));
  entry(sector, 1, 2, 32, ENABLED, 0, 0, addresses.subarray(32));
  entry(sector, 2, 3, 0, ENABLED | ALL_FPGAS, BIT_FILE, BIT_FILE_SIZE, new Uint8Array());
  for (let slot = 1; slot < 4; slot += 1) entry(sector, 2 + slot, 3, 0, 0, BIT_FILE + slot * BIT_FILE_STEP, 0, new Uint8Array());
  entry(sector, 6, 4, 0, 0, 0, 0, new Uint8Array());
  sector.set(info.subarray(0, SECTOR_SIZE - (BOARD_INFO - DATA_SECTOR) - 4), BOARD_INFO - DATA_SECTOR);
  sector.set(wordsOf(~crc32(sector.subarray(0, SECTOR_SIZE - 4))), SECTOR_SIZE - 4);
  flash.write(DATA_SECTOR, sector);
  writeFirmware(flash);
  // The boot block of the chips: words high byte first.
  const boot = new Uint8Array(44);
  boot.set([0x55, 0x3a, 0x00, 0x08, 0xf5, 0x00, 0x7f, 0xe0]);
  for (let i = 0; i < 32; i += 1) boot[8 + (i ^ 3)] = addresses[32 + i]!;
  boot.fill(0xaa, 40);
  serial.write(0, boot);
  serial.write(0x100, info.subarray(0, 256));
}

/** The dead parts of one board as its blacklist has them: x[31:27], y[26:24], dead links[23:18], dead physical cores[17:0] of a chip. */
export function blacklistOf(geometry: MachineGeometry, ethernet: ChipCoordinates, dead: DeadParts): number[] {
  const words: number[] = [];
  for (const chip of geometry.chipsOnBoard(ethernet)) {
    const here = (part: ChipCoordinates): boolean => part.x === chip.x && part.y === chip.y;
    const gone = dead.chips?.some(here) ?? false;
    let mask = gone ? (1 << (CORE_COUNT + LINK_COUNT)) - 1 : 0;
    for (const core of dead.cores ?? []) if (here(core)) mask |= 1 << core.p;
    for (const link of dead.links ?? []) if (here(link)) mask |= 1 << (CORE_COUNT + link.link);
    const at = geometry.positionOnBoard(chip.x, chip.y);
    if (mask !== 0) words.push(((at.x << 27) | (at.y << 24) | mask) >>> 0);
  }
  return words;
}

function entry(
  sector: Uint8Array,
  index: number,
  type: number,
  size: number,
  flags: number,
  base: number,
  length: number,
  data: Uint8Array,
): void {
  const at = index * ENTRY_SIZE;
  sector.fill(0, at, at + 32);
  sector.set([type, size, flags & 0xff, flags >>> 8], at);
  sector.set(wordsOf(base, length), at + 12);
  sector.set(data, at + 32);
}
