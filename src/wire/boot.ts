import { checkInteger, SpinnError } from "../errors.js";

/**
 * Messages of the boot ROM on UDP port 54321: the only big-endian protocol of the board.
 * Source: spinnaker_bootROM `src/eth_link.c`, `inc/globals.h`.
 *
 * ```
 *  0        2       6         10        14        18
 *  version  opcode  operand1  operand2  operand3  data (0..1024, whole words)
 * ```
 */
export interface BootMessage {
  /** Protocol version: 1, anything else is ignored by the ROM. */
  readonly version: number;
  readonly opcode: number;
  readonly operand1: number;
  readonly operand2: number;
  readonly operand3: number;
  /** As it travels: each word big-endian. See {@link swapWords}. */
  readonly data: Uint8Array;
}

export const BootOpcode = { START: 1, BLOCK: 3, CONTROL: 5, HELLO: 0x41 } as const;

/** UDP port of the boot ROM, and the host port to which its hello is broadcast (0xD431). */
export const BOOT_PORT = 54321;
export const BOOT_VERSION = 1;
export const BOOT_HEADER_SIZE = 18;
/** Bytes of image in one block. */
export const BOOT_BLOCK_SIZE = 1024;
/** The ROM collects the image in half of the DTCM: 32 KiB. */
export const BOOT_MAX_BLOCKS = 32;
/** Offset and size, in the image, of the start values of the system variables. */
export const BOOT_SV_OFFSET = 384;
export const BOOT_SV_SIZE = 128;

/** Throws `ERR_SPINN_ARGUMENT` for data above 1024 bytes or not in whole words. */
export function encodeBoot(message: BootMessage): Uint8Array {
  const { data } = message;
  if (data.length > BOOT_BLOCK_SIZE || data.length % 4 !== 0) {
    throw new SpinnError(
      "ERR_SPINN_ARGUMENT",
      `boot data of ${data.length} bytes; it must be whole words, at most ${BOOT_BLOCK_SIZE} bytes`,
    );
  }
  const datagram = new Uint8Array(BOOT_HEADER_SIZE + data.length);
  const view = new DataView(datagram.buffer);
  view.setUint16(0, message.version);
  view.setUint32(2, message.opcode);
  view.setUint32(6, message.operand1);
  view.setUint32(10, message.operand2);
  view.setUint32(14, message.operand3);
  datagram.set(data, BOOT_HEADER_SIZE);
  return datagram;
}

/** Throws `ERR_SPINN_PROTOCOL` below 18 bytes. The data are a view. */
export function decodeBoot(datagram: Uint8Array): BootMessage {
  if (datagram.length < BOOT_HEADER_SIZE) {
    throw new SpinnError("ERR_SPINN_PROTOCOL", `datagram of ${datagram.length} bytes is shorter than a boot message (${BOOT_HEADER_SIZE})`);
  }
  const view = new DataView(datagram.buffer, datagram.byteOffset, datagram.length);
  return {
    version: view.getUint16(0),
    opcode: view.getUint32(2),
    operand1: view.getUint32(6),
    operand2: view.getUint32(10),
    operand3: view.getUint32(14),
    data: datagram.subarray(BOOT_HEADER_SIZE),
  };
}

/** Opens a transfer of `blocks` blocks (1..32). Throws `ERR_SPINN_ARGUMENT`: the ROM would wait for blocks that it cannot hold. */
export function bootStart(blocks: number): BootMessage {
  checkInteger("number of boot blocks", blocks, 1, BOOT_MAX_BLOCKS);
  return message(BootOpcode.START, 0, 0, blocks - 1, new Uint8Array());
}

/**
 * Block `index` of a little-endian image. 256 words are announced for every block, also for a short last one: the ROM places a block
 * at `index x announced words`.
 */
export function bootBlock(index: number, image: Uint8Array): BootMessage {
  checkInteger("boot block", index, 0, BOOT_MAX_BLOCKS - 1);
  return message(BootOpcode.BLOCK, 0xff00 + index, 0, 0, swapWords(image));
}

/** Executes the image if every announced block has come; otherwise the ROM ignores it. */
export function bootControl(): BootMessage {
  return message(BootOpcode.CONTROL, 1, 0, 0, new Uint8Array());
}

/** A copy with every word's bytes reversed: the image is little-endian, the ROM reads network order. */
export function swapWords(bytes: Uint8Array): Uint8Array {
  if (bytes.length % 4 !== 0) throw new SpinnError("ERR_SPINN_ARGUMENT", `${bytes.length} bytes are not whole words`);
  const swapped = new Uint8Array(bytes.length);
  for (let i = 0; i < bytes.length; i += 4) {
    swapped[i] = bytes[i + 3]!;
    swapped[i + 1] = bytes[i + 2]!;
    swapped[i + 2] = bytes[i + 1]!;
    swapped[i + 3] = bytes[i]!;
  }
  return swapped;
}

function message(opcode: number, operand1: number, operand2: number, operand3: number, data: Uint8Array): BootMessage {
  return { version: BOOT_VERSION, opcode, operand1, operand2, operand3, data };
}
