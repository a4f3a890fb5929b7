import type { ScpRequest } from "../wire/request.js";
import { SCP_MAX_REQUEST, SCP_REQUEST_OFFSET, writeScpFields } from "../wire/scp.js";
import { FLAGS_NO_REPLY, FLAGS_REPLY } from "../wire/sdp.js";
import type { RequestRun } from "./request-run.js";

/** Why a request was sent again, in order: `time-out`, `RC_P2P_BUSY` ... At most one entry per send. */
export type Reason = string;

/**
 * One place in the window: a request, its bytes and its clock. Slots live as long as the pipeline and are used again and again; each has
 * its own buffer, which stays untouched until the request has ended, so that a send the kernel has put off still sends the right bytes.
 * Slots in flight form a list in order of sending (`older`, `newer`): a reply normally belongs to the oldest.
 */
export class Slot {
  readonly index: number;
  readonly #buffer = new Uint8Array(SCP_MAX_REQUEST);
  readonly #short: Uint8Array;
  /** The datagram: a view of the slot's buffer. */
  datagram: Uint8Array;

  request: ScpRequest<unknown> | undefined;
  run: RequestRun | undefined;
  sequence = 0;
  /** Times sent so far. */
  sends = 0;
  firstSentMs = 0;
  sentMs = 0;
  /** When it is late, or (after a busy code) to be sent again. */
  deadlineMs = 0;
  /** A busy code was answered: the board owes nothing, the slot waits to send again. */
  resting = false;
  /** Replies to the same core that were sent later than this and have come. */
  overtaken = 0;
  reasons: Reason[] | undefined;
  older: Slot | undefined;
  newer: Slot | undefined;

  constructor(index: number) {
    this.index = index;
    this.#short = this.#buffer.subarray(0, SCP_REQUEST_OFFSET);
    this.datagram = this.#short;
    // What never changes: no pad, tag 255 (lend me one), from port 7 core 31 (the Ethernet), source chip filled in by the board.
    this.#buffer[3] = 0xff;
    this.#buffer[5] = 0xff;
  }

  /** Encodes `request` into the slot's buffer. */
  load(request: ScpRequest<unknown>, run: RequestRun, sequence: number, nowMs: number): void {
    const buffer = this.#buffer;
    buffer[2] = request.expectsReply === false ? FLAGS_NO_REPLY : FLAGS_REPLY;
    buffer[4] = request.p;
    buffer[6] = request.y;
    buffer[7] = request.x;
    writeScpFields(buffer, request.command, sequence, request.arg1, request.arg2, request.arg3);
    const { data } = request;
    if (data === undefined || data.length === 0) {
      this.datagram = this.#short;
    } else {
      buffer.set(data, SCP_REQUEST_OFFSET);
      this.datagram = buffer.subarray(0, SCP_REQUEST_OFFSET + data.length);
    }
    this.request = request;
    this.run = run;
    this.sequence = sequence;
    this.sends = 0;
    this.firstSentMs = nowMs;
    this.overtaken = 0;
    this.reasons = undefined;
  }

  /** Gives the request a new sequence number. */
  renumber(sequence: number): void {
    this.sequence = sequence;
    this.#buffer[12] = sequence;
    this.#buffer[13] = sequence >>> 8;
  }

  sameCore(other: ScpRequest<unknown>): boolean {
    const request = this.request!;
    return request.x === other.x && request.y === other.y && request.p === other.p;
  }
}

/** The slots in flight, oldest first. Bounded by the window. */
export class SlotList {
  oldest: Slot | undefined;
  newest: Slot | undefined;
  size = 0;

  append(slot: Slot): void {
    slot.older = this.newest;
    slot.newer = undefined;
    if (this.newest === undefined) this.oldest = slot;
    else this.newest.newer = slot;
    this.newest = slot;
    this.size += 1;
  }

  remove(slot: Slot): void {
    if (slot.older === undefined) this.oldest = slot.newer;
    else slot.older.newer = slot.newer;
    if (slot.newer === undefined) this.newest = slot.older;
    else slot.newer.older = slot.older;
    slot.older = undefined;
    slot.newer = undefined;
    this.size -= 1;
  }
}
