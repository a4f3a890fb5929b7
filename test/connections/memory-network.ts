import type { DatagramChannel, DatagramListener } from "../../src/connections/index.js";
import { SpinnError } from "../../src/errors.js";
import type { ScpRequest } from "../../src/wire/index.js";
import { decodeScpRequest, encodeScpReply, ReturnCode, type ScpRequestPacket } from "../../src/wire/index.js";

/** What the network does to one datagram. `delayMs` 0 delivers in the next turn. */
export interface Fate {
  readonly lost?: boolean;
  readonly delayMs?: number;
  readonly copies?: number;
}

export interface Answer {
  readonly returnCode?: number;
  readonly payload?: Uint8Array;
  readonly srcX?: number;
  readonly srcY?: number;
  readonly srcCpu?: number;
}

/** An in-memory peer on fake timers: answers requests by a function, with a network between that loses, delays and copies. */
export class MemoryChannel implements DatagramChannel {
  /** Timers of all channels that are still to fire: what is left beyond these, somebody else has left behind. */
  static pending = 0;
  readonly remote = "memory:17893";
  closed = false;
  readonly requests: ScpRequestPacket[] = [];
  /** Most requests that were unanswered at the board at one time. */
  mostOutstanding = 0;
  #outstanding = new Set<number>();
  #listeners: DatagramListener[] = [];
  readonly #answer: (request: ScpRequestPacket, index: number) => Answer | undefined;
  readonly #down: (index: number) => Fate;
  readonly #up: (index: number) => Fate;
  #replies = 0;

  constructor(
    answer: (request: ScpRequestPacket, index: number) => Answer | undefined = () => ({}),
    down: (index: number) => Fate = () => ({}),
    up: (index: number) => Fate = () => ({}),
  ) {
    this.#answer = answer;
    this.#down = down;
    this.#up = up;
  }

  send(datagram: Uint8Array): void {
    const request = decodeScpRequest(datagram.slice());
    const index = this.requests.length;
    this.requests.push(request);
    const { lost = false, delayMs = 0, copies = 1 } = this.#down(index);
    if (lost) return;
    this.#outstanding.add(request.sequence);
    this.mostOutstanding = Math.max(this.mostOutstanding, this.#outstanding.size);
    for (let copy = 0; copy < copies; copy += 1) later(delayMs, () => this.#serve(request, index));
  }

  subscribe(listener: DatagramListener): () => void {
    this.#listeners.push(listener);
    return () => {
      this.#listeners = this.#listeners.filter((other) => other !== listener);
    };
  }

  get listenerCount(): number {
    return this.#listeners.length;
  }

  /** Hands `datagram` to the listeners as if the peer had sent it. */
  deliver(datagram: Uint8Array): void {
    for (const listener of this.#listeners) listener.onDatagram(datagram);
  }

  refuse(): void {
    const error = new SpinnError("ERR_SPINN_UNREACHABLE", "memory:17893 refuses the UDP port", { hint: "nothing listens there" });
    for (const listener of this.#listeners) listener.onError?.(error);
  }

  /** The way to the peer is gone. */
  lose(error: SpinnError): void {
    this.closed = true;
    for (const listener of this.#listeners) listener.onClose?.(error);
  }

  close(): Promise<void> {
    this.closed = true;
    for (const listener of this.#listeners) listener.onClose?.();
    return Promise.resolve();
  }

  #serve(request: ScpRequestPacket, index: number): void {
    const answer = this.#answer(request, index);
    this.#outstanding.delete(request.sequence); // the transient tag is free again when the reply leaves
    if (answer === undefined) return;
    const datagram = reply(request, answer);
    const { lost = false, delayMs = 0, copies = 1 } = this.#up(this.#replies++);
    if (lost) return;
    const arrive = () => this.deliver(datagram);
    if (delayMs === 0) arrive();
    else later(delayMs, arrive);
    for (let copy = 1; copy < copies; copy += 1) later(delayMs + copy, arrive);
  }
}

function later(delayMs: number, action: () => void): void {
  MemoryChannel.pending += 1;
  setTimeout(() => {
    MemoryChannel.pending -= 1;
    action();
  }, delayMs);
}

export function reply(request: ScpRequestPacket, answer: Answer = {}): Uint8Array {
  return encodeScpReply({
    flags: 0x07,
    tag: 8,
    destPort: 7,
    destCpu: 31,
    srcPort: 0,
    srcCpu: answer.srcCpu ?? request.destCpu,
    destX: 0,
    destY: 0,
    srcX: answer.srcX ?? request.destX,
    srcY: answer.srcY ?? request.destY,
    returnCode: answer.returnCode ?? ReturnCode.OK,
    sequence: request.sequence,
    payload: answer.payload ?? new Uint8Array(),
  });
}

/** A request whose result is the reply's payload as text of hex digits; `arg1` tells them apart. */
export function ask(arg1: number, more: Partial<ScpRequest<string>> = {}): ScpRequest<string> {
  return {
    command: 2,
    x: 0,
    y: 0,
    p: 0,
    arg1,
    arg2: 0,
    arg3: 0,
    repeatable: true,
    minReply: 0,
    maxReply: 256,
    decode: (datagram) => Buffer.from(datagram.subarray(14)).toString("hex"),
    describe: () => `request ${arg1}`,
    ...more,
  };
}

/** Echoes arg1 as a little-endian word. */
export function echo(request: ScpRequestPacket): Answer {
  const payload = new Uint8Array(4);
  new DataView(payload.buffer).setUint32(0, request.arg1, true);
  return { payload };
}

export function echoed(arg1: number): string {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(arg1);
  return bytes.toString("hex");
}
