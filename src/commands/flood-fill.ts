import { checkInteger, hex32, SpinnError } from "../errors.js";
import { LINK_COUNT, type Signal, signalName } from "../machine/index.js";
import { Command, SCP_MAX_DATA, type ScpRequest } from "../wire/index.js";
import { checkWords } from "./address.js";
import { type ApplicationStart, applicationCores, startWord } from "./application.js";
import { EMPTY_ONCE, EMPTY_REPEATABLE, ShapedRequest } from "./shaped-request.js";
import { signalData, signalIsRepeatable } from "./signal.js";
import { ROOT_CHIP, type Target } from "./target.js";

/**
 * Nearest-neighbour packets: how one request reaches every chip. The chip that is asked sends a packet to its neighbours, each passes it
 * on. The reply says that the first packets left, never that anything arrived. Source: scamp-nn.c.
 */
export interface FloodOptions {
  /** The chip that begins. Default: the root chip. */
  readonly chip?: Target;
  /** Links on which the packets leave, bit n = link n. Default 0x3F, all. */
  readonly forward?: number;
  /** Bits 2:0 extra copies of each packet, bits 7:3 pause between packets in units of 8 us. Default 0x18: none, 24 us (rig, ybug). */
  readonly retry?: number;
}

/** Region word that names the whole machine (level 0, all 16 blocks). `regionOf` and `compressRegions` of the machine room make others. */
export const WHOLE_MACHINE = 0x0000ffff;

/**
 * FFS: opens a flood of `blocks` blocks under an even `id` 2..254. `region` selects the chips that start the application up to 3.4.1;
 * 4.0.0 selects nothing here.
 *
 * Repeatable although SC&MP adds a new packet id each time: a second FFS only empties the books which the first emptied (`nn_cmd_ffs`),
 * and no block is sent before it is answered.
 */
export function startFlood(id: number, blocks: number, region = WHOLE_MACHINE, options: FloodOptions = {}): ScpRequest<void> {
  checkInteger("number of blocks", blocks, 1, 255);
  const key = 0x06000000 | (checkId(id) << 16) | (blocks << 8);
  return packet(key, checkInteger("region", region, 0, 0xffffffff), options, true, true, `flood start, id ${id}, ${blocks} blocks`);
}

/**
 * FFCS: adds `cores` on the chips of `region`; 4.0.0 adds them on every chip, whatever the region. Must come in strictly ascending order
 * of region and cores. Repeatable: chips drop a word that is not above the last one (`nn_cmd_ffcs`).
 */
export function selectFlood(region: number, cores: Iterable<number>, options: FloodOptions = {}): ScpRequest<void> {
  const mask = applicationCores(cores);
  const data = checkInteger("region", region, 0, 0xffffffff);
  return packet(0x07000000 | mask, data, options, false, true, `flood core select, region ${hex32(region)}`);
}

/**
 * FFD (23): block `block` of a flood, 4..256 bytes in whole words, to `address` on **every** chip, selected or not. Repeatable: a chip
 * drops a block that it has begun already (`nn_cmd_fbs`), and a chip that missed it gets another chance.
 */
export function floodData(id: number, block: number, address: number, data: Uint8Array, options: FloodOptions = {}): ScpRequest<void> {
  checkInteger("block", block, 0, 254);
  checkInteger("length of a flood block", data.length, 4, SCP_MAX_DATA);
  checkWords("a flood block", address, data.length);
  const { chip, forward, retry } = checkOptions(options);
  const arg1 = (forward << 24) | (retry << 16) | checkId(id);
  const arg2 = (block << 16) | ((data.length / 4 - 1) << 8);
  // The reply comes when every word, and a packet before and behind them, has left on every link, with a pause before each (`ff_nn_send`).
  const packets = (data.length / 4 + 2) * LINK_COUNT * ((retry & 7) + 1);
  const shape = { ...EMPTY_REPEATABLE, slowMs: 50 + Math.ceil((packets * (retry & 0xf8)) / 1000) };
  return new ShapedRequest(
    shape,
    Command.FFD,
    chip,
    { arg1, arg2, arg3: address, data },
    `block ${block} of flood ${id} to ${hex32(address)}`,
  );
}

/**
 * FFE: closes a flood and starts the application on the chips that got every block and are selected, on the cores of `start` (maybe none)
 * and those that FFCS selected there; without `start` it is a flood of data. Nothing tells whether it worked: ask for the cores' states.
 *
 * Repeatable: a chip leaves the flood with the first FFE and drops a second (`nn_cmd_ffe` asks for state and id).
 */
export function endFlood(id: number, start?: ApplicationStart, options: FloodOptions = {}): ScpRequest<void> {
  return packet(0x0f000000 | checkId(id), start === undefined ? 0 : startWord(start, true), options, false, true, `flood end, id ${id}`);
}

/**
 * An application signal as an NN packet (SIG0, sub-operation 5): what `sendSignal` does with type 2, in the form that ybug and SpiNNMan use
 * for STOP. Repeatable as the signal is. Throws `ERR_SPINN_ARGUMENT`.
 */
export function floodSignal(signal: Signal, appId: number, appMask = 0xff, options: FloodOptions = {}): ScpRequest<void> {
  const forward = checkOptions(options).forward;
  const data = 0x50000000 | signalData(signal, appId, appMask);
  const words = `signal ${signalName(signal)} to app ${appId}`;
  return packet(forward << 16, data, { retry: 0, ...options }, true, signalIsRepeatable(signal), words);
}

/** Where {@link floodWrite} writes: `sv`, the user's SysRAM, the system controller, or the address in sv.mem_ptr. */
export const FloodArea = { SV: 0, SYSRAM: 1, SYSTEM_CONTROLLER: 2, MEM_PTR: 3 } as const;
export type FloodArea = (typeof FloodArea)[keyof typeof FloodArea];

/**
 * SIG1 memory write: the same value (1, 2 or 4 bytes) at `offset` 0..255 of `area` on every chip. Repeatable in memory; the system
 * controller acts when written. The area of sv.mem_ptr is taken for registers, for it may be anything.
 */
export function floodWrite(area: FloodArea, offset: number, size: 1 | 2 | 4, value: number, options: FloodOptions = {}): ScpRequest<void> {
  checkInteger("area", area, 0, 3);
  checkInteger("offset", offset, 0, 256 - size);
  checkInteger("value", value, 0, 2 ** (8 * size) - 1);
  if (offset % size !== 0) throw new SpinnError("ERR_SPINN_MEMORY", `a value of ${size} bytes at offset ${offset} is not aligned`);
  const key = 0x04000000 | ((size === 4 ? 2 : size - 1) << 18) | (area << 16) | (offset << 8);
  const words = `write of ${size} bytes at offset ${offset} of area ${area} on every chip`;
  return packet(key, value, options, true, area === FloodArea.SV || area === FloodArea.SYSRAM, words);
}

// CMD_NNP (20): key, data, and forward, retry and "take the next packet id" in one word.
function packet(key: number, data: number, options: FloodOptions, ownId: boolean, repeatable: boolean, words: string): ScpRequest<void> {
  const { chip, forward, retry } = checkOptions(options);
  const arg3 = (ownId ? 0x80000000 : 0) | (forward << 8) | retry;
  return new ShapedRequest(repeatable ? EMPTY_REPEATABLE : EMPTY_ONCE, Command.NNP, chip, { arg1: key, arg2: data, arg3 }, words);
}

function checkOptions(options: FloodOptions): { chip: Target; forward: number; retry: number } {
  return {
    chip: options.chip ?? ROOT_CHIP,
    forward: checkInteger("forward", options.forward ?? 0x3f, 0, 0x3f),
    retry: checkInteger("retry", options.retry ?? 0x18, 0, 0xff),
  };
}

function checkId(id: number): number {
  checkInteger("flood id", id, 2, 254);
  if (id % 2 !== 0) throw new SpinnError("ERR_SPINN_ARGUMENT", `flood id ${id} must be even: chips drop its lowest bit`);
  return id;
}
