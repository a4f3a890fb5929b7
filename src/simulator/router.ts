import type { RegisterDevice } from "./memory.js";
import type { P2pTable } from "./p2p.js";

/** Counters of the router in the order of its registers. */
export const Counter = { LOC_MC: 0, EXT_MC: 1, LOC_PP: 2, EXT_PP: 3, LOC_NN: 4, EXT_NN: 5, LOC_FR: 6, EXT_FR: 7, DUMP_MC: 8 } as const;

const ENTRIES = 1024;
const FILTERS = [
  0x01fe7cf1, 0x01febcf1, 0x01fe7cf2, 0x01febcf2, 0x01fe7cf4, 0x01febcf4, 0x01fe7cf8, 0x01febcf8, 0x0001fcf1, 0x0001fcf2, 0x0001fcf4,
  0x0001fcf8, 0, 0, 0, 0,
];

/**
 * The router of one chip: multicast table, P2P table, counters and the registers through which software reaches them. It knows cores by their
 * physical numbers alone.
 * Source: SpiNNaker datasheet (router), spinnaker_tools `include/spinnaker.h`.
 */
export class Router implements RegisterDevice {
  readonly counters = new Uint32Array(16);
  #registers = new Uint32Array(0x300 / 4);
  readonly #routes = new Uint32Array(ENTRIES).fill(0xff000000);
  readonly #keys = new Uint32Array(ENTRIES).fill(0xffffffff);
  readonly #masks = new Uint32Array(ENTRIES);
  readonly #makeP2p: () => P2pTable;
  #p2p: P2pTable | undefined;
  /** Entries from here on were never written. */
  #top = 0;

  /** `makeP2p` is called when somebody first looks at the P2P table. `monitor` is a physical core. */
  constructor(monitor: number, makeP2p: () => P2pTable) {
    this.#makeP2p = makeP2p;
    this.#registers[0] = 0x00400001 | (monitor << 8);
    this.#registers[0x2c / 4] = 0xffff;
    this.#registers.set(FILTERS, 0x200 / 4);
  }

  get p2p(): P2pTable {
    this.#p2p ??= this.#makeP2p();
    return this.#p2p;
  }

  /** Route of packets that match no entry but carry the fixed-route type. */
  get fixedRoute(): number {
    return this.#registers[0x84 / 4]!;
  }

  set fixedRoute(route: number) {
    this.#registers[0x84 / 4] = route;
  }

  setEntry(index: number, route: number, key: number, mask: number): void {
    this.#routes[index] = route;
    this.#keys[index] = key;
    this.#masks[index] = mask;
    this.#top = Math.max(this.#top, index + 1);
  }

  /** Route word of the first entry that matches, `undefined` when none does. */
  lookup(key: number): number | undefined {
    for (let index = 0; index < this.#top; index += 1) {
      if ((key & this.#masks[index]!) >>> 0 === this.#keys[index]!) return this.#routes[index]! & 0x00ffffff;
    }
    return undefined;
  }

  count(counter: number): void {
    this.counters[counter]! += 1;
  }

  /** A packet that nobody took: counted, and shown in the dump registers. */
  dump(key: number, payload: number | undefined, link: number): void {
    this.count(Counter.DUMP_MC);
    this.#registers[0x18 / 4] = payload === undefined ? 0 : 1 << 17;
    this.#registers[0x1c / 4] = key;
    this.#registers[0x20 / 4] = payload ?? 0;
    this.#registers[0x24 / 4] = link;
    this.#registers[0x28 / 4] = 0x80000000;
  }

  readRegister(offset: number): number {
    if (offset < 0x300) return this.#registers[offset / 4]!;
    if (offset < 0x340) return this.counters[(offset - 0x300) / 4]!;
    if (offset >= 0x10000) return this.p2p.words[((offset - 0x10000) / 4) & 0x1fff]!;
    if (offset >= 0x4000 && offset < 0x5000) return this.#routes[(offset - 0x4000) / 4]!;
    return 0;
  }

  writeRegister(offset: number, value: number): void {
    if (offset === 0x2c) {
      for (let i = 0; i < 16; i += 1) if ((value >>> (16 + i)) & 1) this.counters[i] = 0;
      this.#registers[offset / 4] = value & 0xffff;
    } else if (offset < 0x300) this.#registers[offset / 4] = value;
    else if (offset < 0x340) this.counters[(offset - 0x300) / 4] = value;
    else if (offset >= 0x10000) this.p2p.words[((offset - 0x10000) / 4) & 0x1fff] = value & 0xffffff;
    else this.#writeTable(offset, value);
  }

  #writeTable(offset: number, value: number): void {
    const index = (offset & 0xfff) / 4;
    const table = offset & 0xf000;
    if (table === 0x4000) this.#routes[index] = value;
    else if (table === 0x8000) this.#keys[index] = value;
    else if (table === 0xc000) this.#masks[index] = value;
    else return;
    this.#top = Math.max(this.#top, index + 1);
  }
}
