import { sendSignal as sendSignalRequest } from "../commands/index.js";
import { Signal, SignalType, usualSignalType } from "../machine/index.js";
import type { CallOptions } from "./call-options.js";
import type { Session } from "./session.js";

export interface SignalOptions extends CallOptions {
  /** Application, 0..255. */
  readonly appId: number;
  /** Bits of the id that are compared: a core is hit when (its id & mask) = id. Default 0xFF: this application alone. */
  readonly appMask?: number | undefined;
  /** How it travels. Default: the signal's usual way. Point to point is not offered: 4.0.0 does not know it. */
  readonly type?: typeof SignalType.MULTICAST | typeof SignalType.NEAREST_NEIGHBOUR | undefined;
}

/**
 * Sends a signal to the cores of an application on the whole machine. The reply says that the signal left the root chip, no more: count
 * cores, or wait for states, to see its effect.
 */
export async function sendSignal(session: Session, signal: Signal, options: SignalOptions): Promise<void> {
  const type = options.type ?? (usualSignalType(signal) === SignalType.MULTICAST ? SignalType.MULTICAST : SignalType.NEAREST_NEIGHBOUR);
  const request = sendSignalRequest(signal, options.appId, { appMask: options.appMask ?? 0xff, type });
  await session.call(request, options);
}

/** Ends an application everywhere: its cores are free again, its memory, routes and text are gone. */
export async function stop(session: Session, appId: number, options: CallOptions = {}): Promise<void> {
  return sendSignal(session, Signal.STOP, { ...options, appId });
}
