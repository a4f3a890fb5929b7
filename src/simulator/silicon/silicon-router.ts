import type { Packet } from "../../emulator/index.js";
import { LINKS, type Link, NO_ROUTE, oppositeLink, ROUTE_HERE } from "../../machine/index.js";
import { P2pTable } from "../p2p.js";
import { Counter, Router } from "../router.js";

/** Packet types, bits 7:6 of the control byte. */
const TYPE = { MULTICAST: 0, P2P: 1, NEIGHBOUR: 2, FIXED: 3 } as const;
/** A nearest-neighbour packet for the neighbour's memory and not for its monitor. */
const MEMORY_ACCESS = 0x20;
/** Where nearest-neighbour packets go besides single links. */
const ALL_LINKS = 6;
/** What a receiver reads as the way by which a packet of its own chip came. */
export const LOCAL = 7;
const CORES = 18;
const DUMP_P2P = 9;
const DUMP_FIXED = 11;

/** What a router reaches. */
export interface RouterPorts {
  /** Hands a packet to a physical core; `route` as the receiver reads it: the link it came over, or {@link LOCAL}. */
  deliver(physicalCore: number, packet: Packet, route: number): void;
  /** Sends a packet out over a link. `false`: no wire, no neighbour. */
  leave(link: Link, packet: Packet): boolean;
  /** A word of the chip's memory, for a neighbour: reads it, or writes `value`. `undefined`: nothing answers there. */
  access(address: number, value: number | undefined): number | undefined;
}

/** A router that routes all four kinds of packet by its tables, as the hardware does. */
export class SiliconRouter extends Router {
  readonly #ports: RouterPorts;

  constructor(ports: RouterPorts) {
    super(0, () => new P2pTable());
    this.#ports = ports;
  }

  /** Physical core of the monitor: P2P and nearest-neighbour packets go there. */
  get #monitor(): number {
    return (this.readRegister(0) >>> 8) & 0x1f;
  }

  /** Takes a packet in: from a core of the chip, or over the link `from`. */
  route(packet: Packet, from: Link | undefined): void {
    const type = packet.control >> 6;
    this.count((from === undefined ? Counter.LOC_MC : Counter.EXT_MC) + 2 * type);
    if (type === TYPE.MULTICAST) this.#multicast(packet, from);
    else if (type === TYPE.P2P) this.#p2p(packet, from);
    else if (type === TYPE.FIXED) this.#spread(this.fixedRoute, packet, from, DUMP_FIXED);
    else this.#neighbour(packet, from);
  }

  #multicast(packet: Packet, from: Link | undefined): void {
    const route = this.lookup(packet.key);
    if (route !== undefined) this.#spread(route, packet, from, Counter.DUMP_MC);
    else if (from === undefined || !this.#ports.leave(oppositeLink(from), packet)) this.dump(packet.key, packet.payload, from ?? LOCAL);
  }

  #spread(route: number, packet: Packet, from: Link | undefined, dumpCounter: number): void {
    for (const link of LINKS) if ((route >>> link) & 1 && !this.#ports.leave(link, packet)) this.#drop(dumpCounter, packet, link);
    for (let core = 0; core < CORES; core += 1) if ((route >>> (6 + core)) & 1) this.#ports.deliver(core, packet, from ?? LOCAL);
  }

  /** The key's lower half is the destination on the way and the source for the receiver. */
  #p2p(packet: Packet, from: Link | undefined): void {
    const entry = this.p2p.route((packet.key >>> 8) & 0xff, packet.key & 0xff);
    if (entry === ROUTE_HERE) {
      this.#ports.deliver(this.#monitor, { ...packet, key: (packet.key & 0x3_0000) | (packet.source ?? 0) }, from ?? LOCAL);
    } else if (entry === NO_ROUTE || !this.#ports.leave(entry as Link, packet)) this.count(DUMP_P2P);
  }

  #neighbour(packet: Packet, from: Link | undefined): void {
    if (from === undefined) {
      const to = (packet.control >> 2) & 7;
      if (to === LOCAL) this.#ports.deliver(this.#monitor, packet, LOCAL);
      else if (to === ALL_LINKS) for (const link of LINKS) this.#ports.leave(link, packet);
      else this.#ports.leave(to as Link, packet);
      return;
    }
    if ((packet.control & MEMORY_ACCESS) === 0) {
      this.#ports.deliver(this.#monitor, packet, from);
      return;
    }
    const value = this.#ports.access(packet.key & ~3, packet.payload);
    if (value === undefined) return;
    // The answer is an ordinary packet to the asking chip's monitor, its key one more than the address.
    const reading = packet.payload === undefined;
    const control = (TYPE.NEIGHBOUR << 6) | (from << 2) | (reading ? 2 : 0);
    this.#ports.leave(from, { control, key: (packet.key + 1) >>> 0, payload: reading ? value : undefined });
  }

  #drop(counter: number, packet: Packet, link: Link): void {
    if (counter === Counter.DUMP_MC) this.dump(packet.key, packet.payload, link);
    else this.count(counter);
  }
}
