/**
 * The monitor's side of the mailboxes between it and the application cores of one chip. Everything lives in the chip's memory, under the
 * chip's locks; layouts in spinnaker_tools `include/sark.h` (vcpu_t, sdp_msg_t, sv_t).
 */
import type { SharedMemory } from "./arm-core.js";
import type { SystemController } from "./system-controller.js";

/** A message between a core and the rest of the machine; `data` is everything behind the SDP header. */
export interface SdpLike {
  readonly flags: number;
  readonly tag: number;
  readonly destPort: number;
  readonly destCpu: number;
  readonly srcPort: number;
  readonly srcCpu: number;
  readonly destX: number;
  readonly destY: number;
  readonly srcX: number;
  readonly srcY: number;
  readonly data: Uint8Array;
}

const SV = 0xf500_7f00;
const SV_SHM_FREE = SV + 0x68;
const SV_SHM_COUNT = SV + 0x6c;
const SV_SHM_MAX = SV + 0x6e;
const SV_MBOX_FLAGS = SV + 0xec;

const AP_MESSAGE = 48;
const MP_MESSAGE = 52;
const AP_COMMAND = 56;
const MP_COMMAND = 57;

/** What the monitor puts into a core's mailbox. */
export const MailboxCommand = { NONE: 0, MESSAGE: 1, PING: 2, SIGNAL: 3 } as const;

const LOCK_BUFFERS = 1 << 0;
const LOCK_MAILBOX = 1 << 1;
/** Largest payload of a message: SDP_BUF_SIZE 256 + 16 (spinnaker_tools `include/sark.h`). */
const MAX_DATA = 272;

export class Mailboxes {
  readonly #memory: SharedMemory;
  readonly #controller: SystemController;

  constructor(memory: SharedMemory, controller: SystemController) {
    this.#memory = memory;
    this.#controller = controller;
  }

  /** Is the mailbox of the core whose vcpu block is at `vcpu` empty? */
  isFree(vcpu: number): boolean {
    return this.#memory.readByte(vcpu + AP_COMMAND) === MailboxCommand.NONE;
  }

  /** Puts a ping or a signal into a free mailbox. The caller rings the doorbell. */
  post(vcpu: number, command: number, content: number): void {
    this.#memory.writeWord(vcpu + AP_MESSAGE, content);
    this.#memory.writeByte(vcpu + AP_COMMAND, command);
  }

  /** Takes a ping back that was never looked at. */
  withdraw(vcpu: number): void {
    this.#memory.writeByte(vcpu + AP_COMMAND, MailboxCommand.NONE);
  }

  /** Puts a message into a free mailbox; `false` when no buffer is free or a core holds their lock just now. */
  postMessage(vcpu: number, message: SdpLike): boolean {
    const memory = this.#memory;
    if ((this.#controller.locks & LOCK_BUFFERS) !== 0 || message.data.length > MAX_DATA) return false;
    const buffer = memory.readWord(SV_SHM_FREE);
    if (buffer === 0) return false;
    memory.writeWord(SV_SHM_FREE, memory.readWord(buffer));
    const inUse = memory.readHalf(SV_SHM_COUNT) + 1;
    memory.writeHalf(SV_SHM_COUNT, inUse);
    if (inUse > memory.readHalf(SV_SHM_MAX)) memory.writeHalf(SV_SHM_MAX, inUse);
    memory.writeWord(buffer, 0);
    memory.writeHalf(buffer + 4, 8 + message.data.length);
    memory.writeHalf(buffer + 6, 0);
    memory.writeByte(buffer + 8, message.flags);
    memory.writeByte(buffer + 9, message.tag);
    memory.writeByte(buffer + 10, (message.destPort << 5) | message.destCpu);
    memory.writeByte(buffer + 11, (message.srcPort << 5) | message.srcCpu);
    memory.writeHalf(buffer + 12, (message.destX << 8) | message.destY);
    memory.writeHalf(buffer + 14, (message.srcX << 8) | message.srcY);
    for (const [index, byte] of message.data.entries()) memory.writeByte(buffer + 16 + index, byte);
    this.post(vcpu, MailboxCommand.MESSAGE, buffer);
    return true;
  }

  /**
   * What the cores have left for the monitor, in the order of virtual cores: takes each message out, returns its buffer and empties the
   * mailbox. Answers `undefined`, with nothing touched, while a core holds one of the locks.
   */
  collect(vcpuOf: (virtualCore: number) => number): { readonly virtualCore: number; readonly message: SdpLike | undefined }[] | undefined {
    if ((this.#controller.locks & (LOCK_BUFFERS | LOCK_MAILBOX)) !== 0) return undefined;
    const memory = this.#memory;
    const flags = memory.readWord(SV_MBOX_FLAGS);
    const collected = [];
    for (let virtualCore = 0; virtualCore < 32; virtualCore++) {
      if ((flags & (1 << virtualCore)) === 0) continue;
      const vcpu = vcpuOf(virtualCore);
      const buffer = memory.readWord(vcpu + MP_MESSAGE);
      collected.push({ virtualCore, message: this.#take(buffer) });
      memory.writeByte(vcpu + MP_COMMAND, 0);
    }
    memory.writeWord(SV_MBOX_FLAGS, 0);
    return collected;
  }

  /** Reads a message and puts its buffer back on the free list; `undefined` for a pointer or a length that cannot be true. */
  #take(buffer: number): SdpLike | undefined {
    const memory = this.#memory;
    try {
      const length = memory.readHalf(buffer + 4);
      const dataLength = length - 8;
      const message = dataLength < 0 || dataLength > MAX_DATA ? undefined : this.#read(buffer, dataLength);
      memory.writeWord(buffer, memory.readWord(SV_SHM_FREE));
      memory.writeWord(SV_SHM_FREE, buffer);
      memory.writeHalf(SV_SHM_COUNT, Math.max(0, memory.readHalf(SV_SHM_COUNT) - 1));
      return message;
    } catch (fault) {
      if (fault instanceof Error) throw fault;
      return undefined;
    }
  }

  #read(buffer: number, dataLength: number): SdpLike {
    const memory = this.#memory;
    const dest = memory.readByte(buffer + 10);
    const source = memory.readByte(buffer + 11);
    const data = new Uint8Array(dataLength);
    for (let index = 0; index < dataLength; index++) data[index] = memory.readByte(buffer + 16 + index);
    return {
      flags: memory.readByte(buffer + 8),
      tag: memory.readByte(buffer + 9),
      destPort: dest >> 5,
      destCpu: dest & 31,
      srcPort: source >> 5,
      srcCpu: source & 31,
      destX: memory.readByte(buffer + 13),
      destY: memory.readByte(buffer + 12),
      srcX: memory.readByte(buffer + 15),
      srcY: memory.readByte(buffer + 14),
      data,
    };
  }
}
