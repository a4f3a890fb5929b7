import { checkInteger, SpinnError } from "../../errors.js";
import { EieioType, eieioMaxElements, encodeEieioData, encodeSdp, FLAGS_NO_REPLY, SCP_PORT } from "../../wire/index.js";
import type { DatagramPort, Pacer } from "./datagram-port.js";

/**
 * Where events go in: to the UDP port of a reverse IP tag, or wrapped in SDP to the board's own port and a core. The second needs no tag
 * and is what the tool chain uses today.
 */
export type EventTarget =
  | { readonly host: string; readonly port: number }
  | {
      readonly host: string;
      readonly core: { readonly x: number; readonly y: number; readonly p: number };
      /** 1..7, default 1: the one the injector listens on. */
      readonly sdpPort?: number | undefined;
      /** Default 17893. */
      readonly port?: number | undefined;
    };

export interface EventSenderOptions {
  /**
   * 16 (default): keys are atom numbers and the injector puts its own prefix in front, the normal case. 32: keys are whole keys.
   */
  readonly keyBits?: 16 | 32 | undefined;
  /** Most events in a message, default as many as fit (127, 63 with payloads or 32 bits, 31 with both). At most what the pacer holds. */
  readonly eventsPerMessage?: number | undefined;
}

/** Events a second that the tool chain's own sender allows itself: 6 messages of 127 keys every 0.1 s. A core takes one message per ms. */
export const REFERENCE_EVENTS_PER_SECOND = 7600;

/**
 * Sends events into a running simulation. Nothing acknowledges them and a core that is overrun loses them without a word, so every
 * message waits for the pacer: one token is one event.
 *
 * No prefix, no base, no times: the injector reads those differently from everybody else.
 */
export class EventSender {
  readonly #port: Pick<DatagramPort, "send">;
  readonly #target: EventTarget;
  readonly #pacer: Pacer;
  readonly #options: EventSenderOptions;
  messagesSent = 0;
  eventsSent = 0;

  /** Throws `ERR_SPINN_ARGUMENT`. */
  constructor(port: Pick<DatagramPort, "send">, target: EventTarget, pacer: Pacer, options: EventSenderOptions = {}) {
    if (target.port !== undefined) checkInteger("port", target.port, 1, 65535);
    if ("core" in target) checkInteger("sdpPort", target.sdpPort ?? 1, 1, 7);
    if (options.eventsPerMessage !== undefined) checkInteger("eventsPerMessage", options.eventsPerMessage, 1, 127);
    if (options.keyBits !== undefined && options.keyBits !== 16 && options.keyBits !== 32) {
      throw new SpinnError("ERR_SPINN_ARGUMENT", `keyBits must be 16 or 32, not ${String(options.keyBits)}`);
    }
    this.#port = port;
    this.#target = target;
    this.#pacer = pacer;
    this.#options = options;
  }

  /**
   * Sends keys, each with its payload if there are payloads, in as many messages as it takes. Keys are checked before the first is sent.
   * Throws `ERR_SPINN_ARGUMENT`, `ERR_SPINN_ABORTED` (see `eventsSent` for how far it came) and what the port throws.
   */
  async send(
    keys: ArrayLike<number>,
    options: { readonly payloads?: ArrayLike<number> | undefined; readonly signal?: AbortSignal | undefined } = {},
  ): Promise<void> {
    const { payloads, signal } = options;
    const wide = this.#options.keyBits === 32;
    if (payloads !== undefined && payloads.length !== keys.length) {
      throw new SpinnError("ERR_SPINN_ARGUMENT", `${payloads.length} payloads for ${keys.length} keys`);
    }
    for (const [name, list] of [
      ["key", keys],
      ["payload", payloads],
    ] as const) {
      for (let i = 0; i < (list?.length ?? 0); i += 1) checkInteger(name, list![i]!, 0, wide ? 0xffffffff : 0xffff);
    }
    const type = wide
      ? payloads === undefined
        ? EieioType.KEY_32
        : EieioType.KEY_PAYLOAD_32
      : payloads === undefined
        ? EieioType.KEY_16
        : EieioType.KEY_PAYLOAD_16;
    const fits = eieioMaxElements({ type, prefix: undefined, payloadBase: undefined });
    const most = Math.min(fits, this.#options.eventsPerMessage ?? fits);
    const slice = (list: ArrayLike<number>, from: number): number[] => Array.prototype.slice.call(list, from, from + most) as number[];
    for (let from = 0; from < keys.length; from += most) {
      const part = slice(keys, from);
      const message = encodeEieioData({ type, keys: part, payloads: payloads === undefined ? undefined : slice(payloads, from) });
      await this.#pacer.consume(part.length, { signal });
      await this.#sendMessage(message);
      this.messagesSent += 1;
      this.eventsSent += part.length;
    }
  }

  async #sendMessage(message: Uint8Array): Promise<void> {
    const target = this.#target;
    if (!("core" in target)) {
      await this.#port.send(message, target.port, target.host);
      return;
    }
    const { x, y, p } = target.core;
    const header = { flags: FLAGS_NO_REPLY, tag: 0, destPort: target.sdpPort ?? 1, destCpu: p, destX: x, destY: y };
    const datagram = encodeSdp({ ...header, srcPort: 0, srcCpu: 0, srcX: 0, srcY: 0, data: message });
    await this.#port.send(datagram, target.port ?? SCP_PORT, target.host);
  }
}
