import { Command, type ScpRequest } from "../wire/index.js";
import { BmpRequest } from "./bmp-request.js";
import { readAddress, readMac } from "./ip-address.js";
import { replyBytes, replyView } from "./shaped-request.js";

/** BMP_INFO 0. */
export interface BmpSerial {
  readonly hardwareVersion: number;
  /** Serial number of the processor: four words of eight digits joined by dashes. */
  readonly serial: string;
  readonly flashBuffer: number;
  readonly statusBlock: number;
  /** Address of the code that runs. */
  readonly codeAddress: number;
}

/** BMP_INFO 3: supplies, temperatures, fans. Volts, degrees Celsius, revolutions per minute; `undefined` where there is no sensor. */
export interface BoardStatus {
  readonly voltage12c: number;
  readonly voltage12b: number;
  readonly voltage12a: number;
  readonly voltage18: number;
  readonly voltage33: number;
  readonly voltageSupply: number;
  readonly temperatureTop: number | undefined;
  readonly temperatureBottom: number | undefined;
  /** Of the frame, controller slots only. */
  readonly temperatureExternal: readonly [number | undefined, number | undefined];
  /** A board without backplane reports 0. */
  readonly fans: readonly (number | undefined)[];
  /** Bits 0-7 voltages, 8-11 internal, 12-15 external temperatures, 16-19 fans. */
  readonly warnings: number;
  /** The same bits for what led to a shutdown. */
  readonly shutdowns: number;
}

/** One half of BMP_INFO 4. */
export interface IpBlock {
  readonly valid: boolean;
  /** Set by hand rather than derived from frame and slot. */
  readonly fixed: boolean;
  readonly mac: string;
  readonly address: string | undefined;
  readonly gateway: string | undefined;
  readonly netMask: string | undefined;
  readonly port: number;
}

/** BMP_INFO 5. */
export interface BmpUptime {
  /** Reset source bits of the processor. */
  readonly resetSource: number;
  readonly watchdogResets: number;
  readonly uptimeSeconds: number;
  readonly uptimeAtLastReset: number;
  readonly softwareResets: number;
  readonly faults: number;
}

const NO_TEMPERATURE = -0x8000;
const NO_FAN = 0xffff;

/** BMP_INFO 0. All sub-operations are repeatable: they only read. Source: bmp_cmd.c, bmp.h. */
export function getBmpSerial(board: number): ScpRequest<BmpSerial> {
  return info(board, 0, 32, "serial number", (datagram) => {
    const view = replyView(datagram);
    const word = (i: number): number => view.getUint32(4 * i, true);
    const serial = [1, 2, 3, 4].map((i) => word(i).toString(16).padStart(8, "0")).join("-");
    return { hardwareVersion: word(0), serial, flashBuffer: word(5), statusBlock: word(6), codeAddress: word(7) };
  });
}

/** BMP_INFO 1: the BMP's copy of the frame's EEPROM, 256 bytes (defaults without backplane). */
export function getBmpEepromCopy(board: number): ScpRequest<Uint8Array> {
  return info(board, 1, 256, "EEPROM copy", replyBytes);
}

/**
 * BMP_INFO 2: CAN ids (0..23) that were heard at least once, this BMP's own included. An id is a slot only on backplanes of version 1.
 */
export function getCanStatus(board: number): ScpRequest<number[]> {
  return info(board, 2, 24, "CAN status", (datagram) => {
    const status = datagram.subarray(14);
    return Array.from({ length: 24 }, (_, id) => id).filter((id) => status[id] !== 0);
  });
}

/** BMP_INFO 3. Readings are renewed every 0.64 s, temperatures and fans every second. */
export function getBoardStatus(board: number): ScpRequest<BoardStatus> {
  return info(board, 3, 48, "board status", (datagram) => {
    const view = replyView(datagram);
    const volts = (at: number, fullScale: number): number => (view.getUint16(at, true) * fullScale) / 4096;
    const celsius = (at: number): number | undefined => {
      const raw = view.getInt16(at, true);
      return raw === NO_TEMPERATURE ? undefined : raw / 256;
    };
    const rpm = (at: number): number | undefined => {
      const raw = view.getUint16(at, true);
      return raw === NO_FAN ? undefined : raw;
    };
    return {
      voltage12c: volts(2, 2.5),
      voltage12b: volts(4, 2.5),
      voltage12a: volts(6, 2.5),
      voltage18: volts(8, 2.5),
      voltage33: volts(12, 3.75),
      voltageSupply: volts(14, 15),
      temperatureTop: celsius(16),
      temperatureBottom: celsius(18),
      temperatureExternal: [celsius(24), celsius(26)],
      fans: [rpm(32), rpm(34), rpm(36), rpm(38)],
      warnings: view.getUint32(40, true),
      shutdowns: view.getUint32(44, true),
    };
  });
}

/** BMP_INFO 4: addresses of the BMP and of the board's SpiNNaker Ethernet. */
export function getBmpAddresses(board: number): ScpRequest<{ readonly bmp: IpBlock; readonly spinnaker: IpBlock }> {
  return info(board, 4, 64, "IP addresses", (datagram) => {
    const view = replyView(datagram);
    return { bmp: ipBlock(view, 0), spinnaker: ipBlock(view, 32) };
  });
}

/** BMP_INFO 5. */
export function getBmpUptime(board: number): ScpRequest<BmpUptime> {
  return info(board, 5, 32, "up-time", (datagram) => {
    const view = replyView(datagram);
    const word = (i: number): number => view.getUint32(4 * i, true);
    const times = { uptimeSeconds: word(2), uptimeAtLastReset: word(3) };
    return { resetSource: word(0), watchdogResets: word(1), ...times, softwareResets: word(4), faults: word(7) };
  });
}

function info<T>(board: number, operation: number, size: number, words: string, decode: (datagram: Uint8Array) => T): ScpRequest<T> {
  const shape = { repeatable: true, minReply: size, maxReply: size, decode };
  return new BmpRequest(shape, Command.BMP_INFO, board, { arg1: operation }, words);
}

function ipBlock(view: DataView, at: number): IpBlock {
  const flags = view.getUint16(at, true);
  return {
    valid: (flags & 0x8000) !== 0,
    fixed: (flags & 0x4000) !== 0,
    mac: readMac(view, at + 2),
    address: readAddress(view, at + 8),
    gateway: readAddress(view, at + 12),
    netMask: readAddress(view, at + 16),
    port: view.getUint16(at + 20, true),
  };
}
