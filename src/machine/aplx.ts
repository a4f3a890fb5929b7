import { hex32, SpinnError } from "../errors.js";
import { SDRAM_SYSTEM_BUFFER_SIZE } from "./memory-map.js";

/**
 * Opcodes of the table at the start of an APLX image: four words each, executed in order, any other opcode ends the table.
 * Source: spinnaker_tools `scamp/boot_aplx.s`, `tools/mkaplx`.
 */
export const AplxOpcode = { COPY: 1, RELATIVE_COPY: 2, FILL: 3, EXECUTE: 4 } as const;

export interface AplxEntry {
  readonly opcode: number;
  /** Destination of copies and fills, address to call for EXECUTE. */
  readonly address: number;
  /** Bytes; 0 for EXECUTE. The loader works in chunks of 32 bytes and rounds up. */
  readonly sizeBytes: number;
  /** COPY: source address. RELATIVE_COPY: offset in the image. FILL: the word. */
  readonly source: number;
}

/** A checked APLX image. */
export interface Aplx {
  readonly entries: readonly AplxEntry[];
  /** Bytes of the file. */
  readonly sizeBytes: number;
}

const ENTRY_SIZE = 16;
/** Ordinary images have 3 or 4 entries; a longer table than this is taken for garbage. */
const MAX_ENTRIES = 64;

/**
 * Checks that bytes are an APLX image and gives its load table. Throws `ERR_SPINN_FILE` saying what the file is instead: empty, an ELF
 * file, truncated, or something else.
 */
export function readAplx(bytes: Uint8Array): Aplx {
  const fail = (message: string, hint?: string): SpinnError => new SpinnError("ERR_SPINN_FILE", message, { hint });
  if (bytes.length === 0) throw fail("the application is empty");
  if (bytes[0] === 0x7f && bytes[1] === 0x45 && bytes[2] === 0x4c && bytes[3] === 0x46) {
    throw fail(
      "the application is an ELF file, not an APLX image",
      "the build of spinnaker_tools makes an .aplx beside the .elf: load that one",
    );
  }
  if (bytes.length % 4 !== 0)
    throw fail(`an APLX image is whole words, not ${bytes.length} bytes`, "the file is truncated or no APLX image");
  if (bytes.length > SDRAM_SYSTEM_BUFFER_SIZE) {
    throw fail(
      `${bytes.length} bytes do not fit into the load buffer of a chip (${SDRAM_SYSTEM_BUFFER_SIZE})`,
      "a core holds 32 KiB of code and 64 KiB of data",
    );
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const entries: AplxEntry[] = [];
  for (let at = 0; ; at += ENTRY_SIZE) {
    const opcode = at + 4 <= bytes.length ? view.getUint32(at, true) : 0;
    if (opcode < AplxOpcode.COPY || opcode > AplxOpcode.EXECUTE) break;
    if (at + ENTRY_SIZE > bytes.length)
      throw fail(`the load table of the application is cut off after ${bytes.length} bytes`, "the file is truncated");
    if (entries.length === MAX_ENTRIES) throw fail("the load table of the application does not end", "the file is no APLX image");
    entries.push(readEntry(view, at, opcode, fail));
  }
  if (entries.length === 0)
    throw fail(`the file is no APLX image: it begins with ${hex32(view.getUint32(0, true))}`, "an APLX image begins with a load table");
  if (!entries.some((entry) => entry.opcode === AplxOpcode.EXECUTE))
    throw fail("the load table of the application starts nothing", "the file is no complete APLX image");
  return { entries, sizeBytes: bytes.length };
}

function readEntry(view: DataView, at: number, opcode: number, fail: (message: string, hint?: string) => SpinnError): AplxEntry {
  const [address, third, fourth] = [4, 8, 12].map((offset) => view.getUint32(at + offset, true)) as [number, number, number];
  if (opcode === AplxOpcode.EXECUTE) return { opcode, address, sizeBytes: 0, source: 0 };
  if (opcode === AplxOpcode.FILL) return { opcode, address, sizeBytes: third, source: fourth };
  if (opcode === AplxOpcode.COPY) return { opcode, address, sizeBytes: fourth, source: third };
  const source = at + third;
  if (source + fourth > view.byteLength) {
    throw fail(
      `the application is truncated: it needs ${source + fourth} bytes and has ${view.byteLength}`,
      "copy or build the file again",
    );
  }
  return { opcode, address, sizeBytes: fourth, source };
}
