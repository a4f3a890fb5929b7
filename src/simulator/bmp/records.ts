import { crc32 } from "node:zlib";
import { SCP_PORT } from "../../wire/index.js";

const NONE = 0x8000;

/** What a BMP says about its board. Layouts: spinnaker_tools `bmp/bmp.h`. */
export interface BmpIdentity {
  readonly frame: number;
  readonly slot: number;
  /** The BMP's own address, four numbers. */
  readonly ip: readonly number[];
  /** The address of the board's SpiNNaker Ethernet. */
  readonly boardIp: readonly number[];
  /** Whether the board sits in a frame: then the first board of it has an EEPROM and external sensors. */
  readonly hasBackplane: boolean;
}

/** Status block of BMP_INFO 3: voltages, temperatures, fans. Readings of a healthy board, moving a little with `time` (seconds). */
export function statusBlock(identity: BmpIdentity, powered: boolean, time: number): Uint8Array {
  const bytes = new Uint8Array(48);
  const view = new DataView(bytes.buffer);
  const rail = (value: number): number => (powered ? value + (Math.floor(time) % 2) : 3);
  const halves = [
    0xffff,
    rail(0x07b9),
    rail(0x07c1),
    rail(0x07b3),
    rail(0x0b8b),
    0xffff,
    rail(0x0e1a),
    0x0cd6,
    powered ? 0x1d20 : 0x1820,
    powered ? 0x1fe0 : 0x1840,
    NONE,
    NONE,
    identity.hasBackplane && identity.slot === 0 ? 0x1580 : NONE,
    identity.hasBackplane && identity.slot === 0 ? 0x1600 : NONE,
    NONE,
    NONE,
  ];
  for (const [i, half] of halves.entries()) view.setUint16(2 * i, half, true);
  return bytes;
}

/** BMP_INFO 0: hardware version, serial number, addresses. */
export function hardwareRecord(identity: BmpIdentity): Uint8Array {
  const seed = Math.imul((identity.frame << 8) | (identity.slot + 1), 0x9e3779b1) >>> 0;
  return wordsOf(
    5,
    0x0b0a5000 | identity.slot,
    seed,
    0x53504e4b,
    0xf5000000 | (identity.frame << 8) | identity.slot,
    0x10000000,
    0x10001080,
    0x10000,
  );
}

/** BMP_INFO 1: the EEPROM, or its defaults on a board without one. */
export function eepromRecord(identity: BmpIdentity): Uint8Array {
  const bytes = new Uint8Array(256);
  const view = new DataView(bytes.buffer);
  bytes.set([0x96, 0, identity.hasBackplane ? 1 : 0, identity.frame]);
  bytes.set([identity.ip[0]!, identity.ip[1]!, identity.ip[2]!, 254], 8);
  bytes.set([0, 16, 0, 5], 12);
  for (const [at, value] of [
    [32, 65],
    [36, 80],
    [40, 50],
    [44, 65],
  ] as const)
    bytes.fill(value, at, at + (at < 40 ? 2 : 2));
  bytes.fill(50, 48, 52);
  bytes.set([114, 114, 114, 114, 166, 184, 203, 184, 102, 102, 102, 102, 147, 164, 0, 0], 56);
  bytes.set([140, 140, 140, 140, 203, 225, 248, 225, 152, 152, 152, 152, 221, 246, 0, 0], 72);
  view.setUint32(252, crc32(bytes.subarray(0, 252)), true);
  return bytes;
}

/** BMP_INFO 4: the addresses of the BMP and of the board. */
export function addressRecord(identity: BmpIdentity): Uint8Array {
  const bytes = new Uint8Array(64);
  const view = new DataView(bytes.buffer);
  for (const [i, ip] of [identity.ip, identity.boardIp].entries()) {
    const at = 32 * i;
    view.setUint16(at, i === 0 ? 0x8000 : 0x8059, true);
    bytes.set([0, 0, 0xa4, identity.frame, 0, 8 * identity.slot + i], at + 2);
    bytes.set(ip, at + 8);
    bytes.set([ip[0]!, ip[1]!, ip[2]!, 254], at + 12);
    bytes.set([255, 255, 0, 0], at + 16);
    view.setUint16(at + 20, SCP_PORT, true);
    bytes.fill(0xff, at + 22, at + 32);
  }
  return bytes;
}

/** Little-endian words as bytes. */
export function wordsOf(...values: number[]): Uint8Array {
  const bytes = new Uint8Array(4 * values.length);
  const view = new DataView(bytes.buffer);
  for (const [i, value] of values.entries()) view.setUint32(4 * i, value >>> 0, true);
  return bytes;
}
