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
  /** Link on which it came in; `undefined`: from a core of the chip. */
  readonly from: Link | undefined;
  readonly hops: number;
}

/** Carries multicast packets through the routing tables: masks, default routing, counted drops. */
export class Multicast {
  readonly #system: System;
  readonly #deliver: (chip: Chip, p: number, key: number, payload: number | undefined) => void;
  readonly #queue: Packet[] = [];
  #running = false;

  constructor(system: System, deliver: (chip: Chip, p: number, key: number, payload: number | undefined) => void) {
    this.#system = system;
    this.#deliver = deliver;
  }

  send(chip: Chip, key: number, payload: number | undefined): void {
    this.#push({ chip, key: key >>> 0, payload: payload === undefined ? undefined : payload >>> 0, from: undefined, hops: 0 });
    if (!this.#running) this.#run();
  }

  #push(packet: Packet): void {
    if (this.#queue.length >= MAX_QUEUE || packet.hops > MAX_HOPS) packet.chip.router.dump(packet.key, packet.payload, packet.from ?? 7);
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
    const { chip, key, payload, from } = packet;
    const { router } = chip;
    router.count(from === undefined ? Counter.LOC_MC : Counter.EXT_MC);
    const route = router.lookup(key);
    if (route === undefined) {
      // Nothing matches: straight on, if it came from a neighbour.
      if (from === undefined) router.dump(key, payload, 7);
      else this.#leave(packet, oppositeLink(from));
      return;
    }
    for (const link of LINKS) if ((route >>> link) & 1) this.#leave(packet, link);
    for (const [p, physical] of chip.v2p.entries()) if ((route >>> (6 + physical)) & 1) this.#deliver(chip, p, key, payload);
  }

  #leave(packet: Packet, link: Link): void {
    const to = this.#system.neighbour(packet.chip, link);
    if (to === undefined) packet.chip.router.dump(packet.key, packet.payload, link);
    else this.#push({ ...packet, chip: to, from: oppositeLink(link), hops: packet.hops + 1 });
  }
}
