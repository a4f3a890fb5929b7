import { checkInteger, SpinnError } from "../errors.js";
import { Signal, SignalType, signalName, usualSignalType } from "../machine/index.js";
import { Command, type ScpRequest } from "../wire/index.js";
import { EMPTY_ONCE, EMPTY_REPEATABLE, type RequestShape, replyWord, ShapedRequest } from "./shaped-request.js";
import { checkMonitor, ROOT_CHIP, type Target } from "./target.js";

export interface SignalOptions {
  /** Bits of the application id that are compared: a core is hit when (its id & mask) = id. Default 0xFF: this id alone. */
  readonly appMask?: number;
  /** MULTICAST or NEAREST_NEIGHBOUR; {@link countCoresByRegion} has what was type 1. Default: see `usualSignalType`. */
  readonly type?: SignalType;
  /** The chip that begins; a multicast must begin at the root chip. Default: the root chip. */
  readonly chip?: Target;
}

/**
 * SIG (22), type 0 or 2: `signal` (0 INIT .. 13 USR3) to the cores of an application on the whole machine. The reply says that it was sent.
 *
 * Repeatable unless the signal is TIMER or USR0..3: INIT, PWRDN, STOP, START, PAUSE, CONT and EXIT bring a core into a state where the same
 * signal has no effect, SYNC0 and SYNC1 clear and set a flag (scamp-app.c `signal_app`); the others are events, and twice is twice.
 *
 * Throws `ERR_SPINN_ARGUMENT`, also for an id that the mask can never match, and for a STOP with mask 0, at which SC&MP counts
 * application ids for ever (scamp-app.c `proc_stop_app`).
 */
export function sendSignal(signal: Signal, appId: number, options: SignalOptions = {}): ScpRequest<void> {
  const arg2 = signalData(signal, appId, options.appMask ?? 0xff);
  const type = checkType(options.type ?? usualSignalType(signal));
  const shape = signalIsRepeatable(signal) ? EMPTY_REPEATABLE : EMPTY_ONCE;
  const chip = checkMonitor(options.chip ?? ROOT_CHIP, "SIG");
  return new ShapedRequest(shape, Command.SIG, chip, { arg1: type, arg2, arg3: 0xffff }, `${signalName(signal)} to app ${appId}`);
}

/** signal[19:16], mask[15:8], id[7:0]. Throws `ERR_SPINN_ARGUMENT`. */
export function signalData(signal: Signal, appId: number, appMask: number): number {
  checkInteger("signal", signal, Signal.INIT, Signal.USR3);
  checkInteger("application id", appId, 0, 255);
  checkInteger("application mask", appMask, 0, 255);
  if ((appId & appMask) !== appId) {
    throw new SpinnError("ERR_SPINN_ARGUMENT", `no core can match application id ${appId} under the mask ${appMask}`);
  }
  if (signal === Signal.STOP && appMask === 0) {
    throw new SpinnError("ERR_SPINN_ARGUMENT", "STOP with application mask 0 hangs the monitor of every chip", {
      hint: "stop the applications one by one, or by a mask of at least one bit",
    });
  }
  return (signal << 16) | (appMask << 8) | appId;
}

/** See {@link sendSignal}. */
export function signalIsRepeatable(signal: Signal): boolean {
  return signal < Signal.TIMER;
}

function checkType(type: SignalType): SignalType {
  if (type === SignalType.MULTICAST || type === SignalType.NEAREST_NEIGHBOUR) return type;
  throw new SpinnError("ERR_SPINN_ARGUMENT", `signals travel by multicast (0) or from neighbour to neighbour (2), not by type ${type}`);
}

/** Which chips are asked, firmware up to 3.4.1. */
export interface RegionOptions {
  /** Default 0xFF. */
  readonly appMask?: number;
  /** 0..3: the machine in blocks of 64, 16, 4 or 1 chips a side. Default 0. */
  readonly level?: number;
  /** Bits of the 4 x 4 blocks of the level. Default 0xFFFF, all. */
  readonly blocks?: number;
  /** Default: the root chip. */
  readonly chip?: Target;
}

const COUNT_SHAPE: RequestShape<number> = {
  repeatable: true,
  minReply: 4,
  maxReply: 4,
  // The reply is held back for 10 ms; 3.1 serves nothing else meanwhile.
  slowMs: 100,
  decode: (datagram) => replyWord(datagram, 0),
};

/**
 * SIG (22), type 1: counts the cores of an application in `state`, up to 3.4.1. 4.0.0 answers RC_OK without data, which ends in
 * `ERR_SPINN_SHORT_REPLY`: use COUNT there. Repeatable: it only asks. Source: scamp-cmd.c `cmd_sig` of v3.4.1.
 */
export function countCoresByRegion(appId: number, state: number, options: RegionOptions = {}): ScpRequest<number> {
  return regionRequest(COUNT_SHAPE, 2, appId, state, options);
}

/**
 * SIG (22), type 1: whether any or all cores of an application are in `state`, and how many chips answered. Up to 3.4.1, as
 * {@link countCoresByRegion}.
 */
export function testCoresByRegion(
  quantifier: "any" | "all",
  appId: number,
  state: number,
  options: RegionOptions = {},
): ScpRequest<{ readonly result: boolean; readonly chips: number }> {
  const decode = (datagram: Uint8Array) => ({ result: (replyWord(datagram, 0) & 0x10000) !== 0, chips: replyWord(datagram, 0) & 0xffff });
  return regionRequest({ ...COUNT_SHAPE, decode }, quantifier === "any" ? 0 : 1, appId, state, options);
}

function regionRequest<T>(shape: RequestShape<T>, mode: number, appId: number, state: number, options: RegionOptions): ScpRequest<T> {
  checkInteger("application id", appId, 0, 255);
  const mask = checkInteger("application mask", options.appMask ?? 0xff, 0, 255);
  checkInteger("core state", state, 0, 15);
  const level = checkInteger("level", options.level ?? 0, 0, 3);
  const arg3 = checkInteger("blocks", options.blocks ?? 0xffff, 1, 0xffff);
  const arg2 = (level << 26) | (1 << 22) | (mode << 20) | (state << 16) | (mask << 8) | appId;
  const chip = checkMonitor(options.chip ?? ROOT_CHIP, "SIG");
  return new ShapedRequest(shape, Command.SIG, chip, { arg1: 1, arg2, arg3 }, `cores of app ${appId} in state ${state}`);
}
