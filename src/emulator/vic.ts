/** Interrupt numbers of a core. Source: spinnaker_tools `include/spinnaker.h`. */
export const Interrupt = {
  SOFTWARE: 1,
  TIMER1: 4,
  TIMER2: 5,
  PACKET: 6,
  TX_EMPTY: 11,
  DMA_DONE: 12,
  DMA_ERROR: 13,
  DOORBELL: 18,
  ETHERNET_RECEIVED: 20,
  TX_NOT_FULL: 23,
  /** 24 multicast, 25 P2P, 26 nearest neighbour, 27 fixed route. */
  PACKET_TYPE: 24,
} as const;

const SLOTS = 16;
/** Priority of interrupts that are in no slot: below all slots. */
const UNVECTORED = SLOTS;

/** Where the two interrupt lines go. */
export interface InterruptLines {
  setLines(irq: boolean, fiq: boolean): void;
}

/**
 * The vectored interrupt controller of a core, an ARM PL190 (DDI 0181). 32 level inputs; those selected as FIQ go there, the others compete by
 * slot. Reading the vector register puts that priority in service: until it is written, only higher ones interrupt.
 */
export class Vic {
  readonly #cpu: InterruptLines;
  #inputs = 0;
  #soft = 0;
  #select = 0;
  #enable = 0;
  #default = 0;
  readonly #vectors = new Uint32Array(SLOTS);
  readonly #controls = new Uint32Array(SLOTS);
  /** Priorities in service, the most urgent last; each is above the one before it, so there are at most 17. */
  readonly #serving: number[] = [];

  constructor(cpu: InterruptLines) {
    this.#cpu = cpu;
  }

  reset(): void {
    this.#soft = this.#select = this.#enable = this.#default = 0;
    this.#vectors.fill(0);
    this.#controls.fill(0);
    this.#serving.length = 0;
    this.#drive();
  }

  /** Drives one input. */
  setInput(interrupt: number, level: boolean): void {
    const inputs = level ? this.#inputs | (1 << interrupt) : this.#inputs & ~(1 << interrupt);
    if (inputs === this.#inputs) return;
    this.#inputs = inputs;
    this.#drive();
  }

  read(offset: number): number {
    const raw = this.#inputs | this.#soft;
    switch (offset) {
      case 0x00:
        return raw & this.#enable & ~this.#select;
      case 0x04:
        return raw & this.#enable & this.#select;
      case 0x08:
        return raw;
      case 0x0c:
        return this.#select;
      case 0x10:
        return this.#enable;
      case 0x18:
        return this.#soft;
      case 0x30:
        return this.#acknowledge();
      case 0x34:
        return this.#default;
    }
    if (offset >= 0x100 && offset < 0x140) return this.#vectors[(offset - 0x100) >> 2]!;
    if (offset >= 0x200 && offset < 0x240) return this.#controls[(offset - 0x200) >> 2]!;
    return 0;
  }

  write(offset: number, value: number): void {
    if (offset === 0x0c) this.#select = value;
    else if (offset === 0x10) this.#enable |= value;
    else if (offset === 0x14) this.#enable &= ~value;
    else if (offset === 0x18) this.#soft |= value;
    else if (offset === 0x1c) this.#soft &= ~value;
    else if (offset === 0x30) this.#serving.pop();
    else if (offset === 0x34) this.#default = value;
    else if (offset >= 0x100 && offset < 0x140) this.#vectors[(offset - 0x100) >> 2] = value;
    else if (offset >= 0x200 && offset < 0x240) this.#controls[(offset - 0x200) >> 2] = value & 0x3f;
    else return;
    this.#drive();
  }

  /** The most urgent active priority that may interrupt what is in service. */
  #due(): number | undefined {
    const active = (this.#inputs | this.#soft) & this.#enable & ~this.#select;
    if (active === 0) return undefined;
    const limit = this.#serving.at(-1) ?? UNVECTORED + 1;
    for (let slot = 0; slot < SLOTS; slot++) {
      if (slot >= limit) return undefined;
      const control = this.#controls[slot]!;
      if ((control & 0x20) !== 0 && (active & (1 << (control & 0x1f))) !== 0) return slot;
    }
    return limit > UNVECTORED && (active & ~this.#vectored()) !== 0 ? UNVECTORED : undefined;
  }

  /** Interrupts that have a slot. */
  #vectored(): number {
    let mask = 0;
    for (const control of this.#controls) if ((control & 0x20) !== 0) mask |= 1 << (control & 0x1f);
    return mask;
  }

  #acknowledge(): number {
    const priority = this.#due();
    if (priority === undefined) return this.#default;
    this.#serving.push(priority);
    this.#drive();
    return priority === UNVECTORED ? this.#default : this.#vectors[priority]!;
  }

  #drive(): void {
    const fiq = ((this.#inputs | this.#soft) & this.#enable & this.#select) !== 0;
    this.#cpu.setLines(this.#due() !== undefined, fiq);
  }
}
