/** What the DMA controller moves data with; throws anything but an Error where nothing answers. */
export interface DmaMemory {
  read32(address: number): number;
  write32(address: number, value: number): void;
}

interface Transfer {
  readonly system: number;
  readonly tcm: number;
  readonly description: number;
  readonly ends: number;
}

const STATUS = {
  ACTIVE: 1 << 0,
  PAUSED: 1 << 1,
  QUEUED: 1 << 2,
  RUNNING: 1 << 4,
  DONE: 1 << 10,
  DONE_TWICE: 1 << 11,
  AXI_ERROR: 1 << 15,
} as const;
const DONE_BITS = STATUS.DONE | STATUS.DONE_TWICE;
const ERROR_BITS = 0x0013_f000;
const TO_SYSTEM = 1 << 19;
/** Clocks before the first word moves, and clocks per word: enough to be an event of its own. Assumed, not measured on hardware. */
const START_CLOCKS = 16;

/** The DMA controller of a core: one transfer under way, one queued. Data moves when the transfer ends. */
export class Dma {
  readonly #memory: DmaMemory;
  readonly #physicalCore: number;
  #system = 0;
  #tcm = 0;
  #description = 0;
  #global = 0;
  #flags = 0;
  #active: Transfer | undefined;
  #queued: Transfer | undefined;

  constructor(memory: DmaMemory, physicalCore: number) {
    this.#memory = memory;
    this.#physicalCore = physicalCore;
  }

  reset(): void {
    this.#system = this.#tcm = this.#description = this.#global = this.#flags = 0;
    this.#active = this.#queued = undefined;
  }

  /** Clock at which the transfer under way ends; Infinity without one. */
  get deadline(): number {
    return this.#active?.ends ?? Infinity;
  }

  get doneLevel(): boolean {
    return (this.#flags & this.#global & DONE_BITS) !== 0;
  }

  get errorLevel(): boolean {
    return (this.#flags & this.#global & ERROR_BITS) !== 0;
  }

  read(offset: number): number {
    switch (offset) {
      case 0x04:
        return this.#system;
      case 0x08:
        return this.#tcm;
      case 0x0c:
        return this.#description;
      case 0x14:
        return this.#status();
      case 0x18:
        return this.#global;
      case 0x104:
        return this.#active?.system ?? 0;
      case 0x108:
        return this.#active?.tcm ?? 0;
      case 0x10c:
        return this.#active?.description ?? 0;
      default:
        return 0; // CRC, time-out and statistics registers
    }
  }

  write(offset: number, value: number, now: number): void {
    if (offset === 0x04) this.#system = value;
    else if (offset === 0x08) this.#tcm = value;
    else if (offset === 0x18) this.#global = value;
    else if (offset === 0x0c) this.#start(value, now);
    else if (offset === 0x10) this.#control(value);
  }

  /** Ends what is due at `now`. */
  expire(now: number): void {
    while (this.#active !== undefined && this.#active.ends <= now) {
      const { ends } = this.#active;
      this.#move(this.#active);
      this.#flags |= (this.#flags & STATUS.DONE) !== 0 ? STATUS.DONE_TWICE : STATUS.DONE;
      const next = this.#queued;
      this.#queued = undefined;
      this.#active = next === undefined ? undefined : { ...next, ends: ends + clocks(next.description) };
    }
  }

  #start(description: number, now: number): void {
    this.#description = description;
    const transfer = { system: this.#system, tcm: this.#tcm, description, ends: now + clocks(description) };
    if (this.#active === undefined) this.#active = transfer;
    else if (this.#queued === undefined) this.#queued = transfer;
  }

  #control(value: number): void {
    if ((value & 1) !== 0) this.#queued = undefined;
    if ((value & 2) !== 0) this.#active = undefined;
    if ((value & 8) !== 0) this.#flags &= (this.#flags & STATUS.DONE_TWICE) !== 0 ? ~STATUS.DONE_TWICE : ~STATUS.DONE;
    if ((value & 0x10) !== 0) this.#flags &= ~(1 << 12);
    if ((value & 0x20) !== 0) this.#flags &= ~ERROR_BITS;
  }

  #status(): number {
    const running = this.#active === undefined ? 0 : STATUS.ACTIVE | STATUS.RUNNING;
    return (this.#physicalCore << 24) | this.#flags | running | (this.#queued === undefined ? 0 : STATUS.QUEUED);
  }

  #move({ system, tcm, description }: Transfer): void {
    const bytes = description & 0x1fffc;
    const [from, to] = (description & TO_SYSTEM) !== 0 ? [tcm, system] : [system, tcm];
    try {
      for (let done = 0; done < bytes; done += 4) this.#memory.write32((to + done) | 0, this.#memory.read32((from + done) | 0));
    } catch (fault) {
      if (fault instanceof Error) throw fault;
      this.#flags |= STATUS.AXI_ERROR;
    }
  }
}

function clocks(description: number): number {
  return START_CLOCKS + ((description & 0x1fffc) >> 2);
}
