import { LINKS, type Link, oppositeLink } from "../machine/index.js";
import type { Chip } from "./chip.js";
import { Counter } from "./router.js";
import type { System } from "./system.js";

/** Packets on their way at once; further ones are dropped by the router they stand before. */
const MAX_QUEUE = 1 << 16;
/** A packet that has passed so many routers goes in circles: its time phase has run out. */
const MAX_HOPS = 1024;
/** Packets moved in one go before other work gets its turn. */
const BATCH = 1 << 14;

interface Packet {
  readonly chip: Chip;
  readonly key: number;
  readonly payload: number | undefined;
  /** Goes where the router's fixed route leads, whatever its key. */
  readonly fixed: boolean;
  /** Link on which it came in; `undefined`: from a core of the chip. */
  readonly from: Link | undefined;
  readonly hops: number;
}

type Deliver = (chip: Chip, p: number, key: number, payload: number | undefined, fixed: boolean) => void;

/** Router counter of fixed-route packets that were dropped. */
const DUMP_FIXED = 11;

/** Carries multicast packets through the routing tables (masks, default routing, counted drops) and fixed-route packets along the fixed routes. */
export class Multicast {
  readonly #system: System;
  readonly #deliver: Deliver;
  readonly #queue: Packet[] = [];
  #running = false;

  constructor(system: System, deliver: Deliver) {
    this.#system = system;
    this.#deliver = deliver;
  }

  send(chip: Chip, key: number, payload: number | undefined, fixed: boolean): void {
    this.#push({ chip, key: key >>> 0, payload: payload === undefined ? undefined : payload >>> 0, fixed, from: undefined, hops: 0 });
    if (!this.#running) this.#run();
  }

  #push(packet: Packet): void {
    if (this.#queue.length >= MAX_QUEUE || packet.hops > MAX_HOPS) this.#drop(packet, packet.from ?? 7);
    else this.#queue.push(packet);
  }

  #run(): void {
    this.#running = true;
    let done = 0;
    for (; done < this.#queue.length && done < BATCH; done += 1) this.#move(this.#queue[done]!);
    this.#queue.splice(0, done);
    this.#running = false;
    if (this.#queue.length > 0) this.#system.clock.after(0, () => this.#run());
  }

  #move(packet: Packet): void {
    const { chip, key, payload, fixed, from } = packet;
    const { router } = chip;
    if (fixed) router.count(from === undefined ? Counter.LOC_FR : Counter.EXT_FR);
    else router.count(from === undefined ? Counter.LOC_MC : Counter.EXT_MC);
    const route = fixed ? router.fixedRoute : router.lookup(key);
    if (route === undefined) {
      // Nothing matches: straight on, if it came from a neighbour.
      if (from === undefined) this.#drop(packet, 7);
      else this.#leave(packet, oppositeLink(from));
      return;
    }
    for (const link of LINKS) if ((route >>> link) & 1) this.#leave(packet, link);
    for (const [p, physical] of chip.v2p.entries()) if ((route >>> (6 + physical)) & 1) this.#deliver(chip, p, key, payload, fixed);
  }

  #leave(packet: Packet, link: Link): void {
    const to = this.#system.neighbour(packet.chip, link);
    if (to === undefined) this.#drop(packet, link);
    else this.#push({ ...packet, chip: to, from: oppositeLink(link), hops: packet.hops + 1 });
  }

  #drop({ chip, key, payload, fixed }: Packet, link: number): void {
    if (fixed) chip.router.count(DUMP_FIXED);
    else chip.router.dump(key, payload, link);
  }
}
