import { SpinnError } from "../errors.js";
import { type FieldValue, SV } from "../machine/index.js";
import { BOOT_BLOCK_SIZE, BOOT_MAX_BLOCKS, BOOT_SV_OFFSET, BOOT_SV_SIZE } from "../wire/index.js";

/** Start values by name of the field of `sv`. */
export type BootOverrides = Readonly<Record<string, FieldValue>>;

// sv.led0 by board version: low nibble the number of LEDs, then their GPIO numbers. Source: spinnaker_tools `tools/boot/*.conf`.
const LED0: Record<number, number> = { 1: 0x00076104, 2: 0x00006103, 3: 0x00000502, 4: 0x00000001, 5: 0x00000001 };
const MONITOR_NAME = new TextEncoder().encode("SC&MP/SpiNNaker\0");

/**
 * Checks a boot image. Throws `ERR_SPINN_FILE` saying what is wrong: empty, an ELF file, too large for the ROM's 32 KiB, or without SC&MP
 * inside (booting that would leave a silent board).
 */
export function checkBootImage(image: Uint8Array): void {
  const fail = (message: string, hint: string): SpinnError => new SpinnError("ERR_SPINN_FILE", message, { hint });
  const hint = "a boot image is the file scamp.boot of spinnaker_tools, SpiNNMan or rig";
  if (image.length === 0) throw fail("the boot image is empty", hint);
  if (image[0] === 0x7f && image[1] === 0x45) throw fail("the boot image is an ELF file", hint);
  if (image.length % 4 !== 0 || image.length < BOOT_SV_OFFSET + BOOT_SV_SIZE) throw fail(`${image.length} bytes are no boot image`, hint);
  if (image.length > BOOT_BLOCK_SIZE * BOOT_MAX_BLOCKS) {
    throw fail(`a boot image of ${image.length} bytes does not fit: the ROM takes ${BOOT_BLOCK_SIZE * BOOT_MAX_BLOCKS}`, hint);
  }
  if (find(image, MONITOR_NAME) < 0) throw fail("the boot image holds no SC&MP", hint);
}

/** The version of SC&MP inside a boot image, e.g. `4.0.0`; `undefined` for one that does not say. */
export function bootImageVersion(image: Uint8Array): string | undefined {
  const at = find(image, MONITOR_NAME);
  if (at < 0) return undefined;
  const start = at + MONITOR_NAME.length;
  const text = new TextDecoder("latin1").decode(image.subarray(start, start + 32)).split("\0", 1)[0]!;
  return /^\d+\.\d+\.\d+(-[\w.]+)?$/.test(text) ? text : undefined;
}

/**
 * A copy of the image with the start values of the system variables set: board version, its LEDs, the time, this chip as root, and what the
 * caller wants. Throws `ERR_SPINN_FILE` and, for a name or value that does not fit, `ERR_SPINN_ARGUMENT`.
 */
export function patchBootImage(
  image: Uint8Array,
  boardVersion: number,
  overrides: BootOverrides,
  unixTime = Math.floor(Date.now() / 1000),
): Uint8Array {
  checkBootImage(image);
  const patched = image.slice();
  const sv = patched.subarray(BOOT_SV_OFFSET, BOOT_SV_OFFSET + BOOT_SV_SIZE);
  const led0 = LED0[boardVersion];
  if (led0 === undefined && boardVersion !== 0) {
    throw new SpinnError("ERR_SPINN_ARGUMENT", `there is no SpiNNaker board of version ${boardVersion}`, {
      hint: "versions are 1 to 5; 0 leaves it to the board",
    });
  }
  const own = { hw_ver: boardVersion, unix_time: unixTime, root_chip: 1, boot_sig: unixTime, ...(led0 === undefined ? {} : { led0 }) };
  for (const [name, value] of Object.entries({ ...own, ...overrides })) {
    const field = SV.field(name);
    if (field.offset + field.sizeBytes > BOOT_SV_SIZE) {
      throw new SpinnError("ERR_SPINN_ARGUMENT", `sv.${name} cannot be set by booting`, {
        hint: "only the first half of the system variables is in the image",
      });
    }
    SV.write(sv, name, value);
  }
  return patched;
}

function find(bytes: Uint8Array, what: Uint8Array): number {
  for (let at = bytes.indexOf(what[0]!); at >= 0; at = bytes.indexOf(what[0]!, at + 1)) {
    if (what.every((byte, i) => bytes[at + i] === byte)) return at;
  }
  return -1;
}
