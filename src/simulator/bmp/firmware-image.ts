import { crc32 } from "node:zlib";
import type { Flash } from "./flash.js";
import { wordsOf } from "./records.js";

/** The firmware that the simulated BMP says it is. */
export const BMP_VERSION = { text: "2.1.2", number: 0x020102, buildTime: 0x5b87f860 } as const;

/** Code blocks of 64 KiB: the one that runs, and its backup. */
const CODE_BLOCKS = [0x10000, 0x20000];
const STACK_TOP = 0x10008000;
const VECTORS = 64;
// Words of a code block's vector table, of the boot block's.
const CODE = { buildTime: 53, version: 54, readOnlyBytes: 55 } as const;
const BOOT = { buildTime: 5, version: 6, checksum: 7 } as const;

/**
 * Writes what hosts look at of a BMP's own firmware: the vectors of the boot block, and of two code blocks with version, build time, length and
 * checksum. No code is behind them: nothing here executes it. Layout: spinnaker_tools `bmp/bmp.h` (boot_vec_t, cortex_vec_t), `bmp/sum.pl`.
 */
export function writeFirmware(flash: Flash): void {
  const boot = new Array<number>(8).fill(0);
  boot[0] = STACK_TOP;
  boot[1] = 0x101;
  boot[BOOT.buildTime] = BMP_VERSION.buildTime;
  boot[BOOT.version] = BMP_VERSION.number;
  // The processor starts nothing whose first eight words do not add up to zero.
  boot[BOOT.checksum] = -boot.reduce((sum, word) => sum + word, 0);
  flash.write(0, wordsOf(...boot));
  for (const base of CODE_BLOCKS) {
    const vectors = new Array<number>(VECTORS).fill(base + 4 * VECTORS + 1);
    vectors.fill(0, CODE.readOnlyBytes);
    vectors[0] = STACK_TOP;
    vectors[CODE.buildTime] = BMP_VERSION.buildTime;
    vectors[CODE.version] = BMP_VERSION.number;
    vectors[CODE.readOnlyBytes] = 4 * VECTORS;
    const bytes = wordsOf(...vectors);
    flash.write(base, bytes);
    flash.write(base + bytes.length, wordsOf(~crc32(bytes)));
  }
}
