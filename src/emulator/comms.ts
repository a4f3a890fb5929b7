/** A packet as the network carries it. `control` is its first byte: type in 7:6 (0 multicast, 1 P2P, 2 nearest neighbour, 3 fixed route). */
export interface Packet {
  readonly control: number;
  readonly key: number;
  readonly payload: number | undefined;
  /** Address of the chip it came from, as its controller was told: P2P packets carry it to the receiver. */
  readonly source?: number;
}

interface Received extends Packet {
  readonly route: number;
}

const TX = { NOT_FULL: 1 << 28, EMPTY: 1 << 31 } as const;
const RX = { NO_ERROR: 1 << 28, RECEIVED: 1 << 31 } as const;
/** Packets a core may leave unread before further ones are dropped. A real one holds one and makes the router wait; see {@link Comms.dropped}. */
const MAX_WAITING = 4096;

/** The communications controller of a core: one packet at a time out, a queue of them in. */
export class Comms {
  readonly #send: (packet: Packet) => void;
  #control = 0;
  #data = 0;
  #hasData = false;
  #source = 0x0700_0000;
  #last: Received = { control: 0, key: 0, payload: 0, route: 0 };
  #waiting: Received[] = [];
  /** Packets that found the queue full. */
  dropped = 0;

  constructor(send: (packet: Packet) => void) {
    this.#send = send;
  }

  reset(): void {
    this.#control = this.#data = 0;
    this.#hasData = false;
    this.#waiting = [];
  }

  /** Type of the packet that waits, `undefined` when none does. */
  get waitingType(): number | undefined {
    const first = this.#waiting[0];
    return first === undefined ? undefined : first.control >> 6;
  }

  /** A packet arrives over link `route` (7: from this chip). */
  receive(packet: Packet, route: number): void {
    if (this.#waiting.length < MAX_WAITING) {
      const { control, key, payload } = packet;
      this.#waiting.push({ control, key, payload, route });
    } else this.dropped += 1;
  }

  read(offset: number): number {
    switch (offset) {
      case 0x00:
        return (this.#control << 16) | TX.NOT_FULL | TX.EMPTY;
      case 0x04:
        return this.#data;
      case 0x0c:
        return this.#received();
      case 0x10:
        return (this.#waiting[0] ?? this.#last).payload ?? 0;
      case 0x14: {
        this.#last = this.#waiting.shift() ?? this.#last;
        return this.#last.key;
      }
      case 0x18:
        return this.#source;
      default:
        return 0;
    }
  }

  write(offset: number, value: number): void {
    if (offset === 0x00) this.#control = (value >>> 16) & 0xff;
    else if (offset === 0x18) this.#source = value;
    else if (offset === 0x04) {
      this.#data = value;
      this.#hasData = true;
    } else if (offset === 0x08) {
      // Data written since the last packet goes along whatever the control byte says: SARK relies on it.
      const withData = this.#hasData || (this.#control & 2) !== 0;
      this.#hasData = false;
      this.#send({
        control: withData ? this.#control | 2 : this.#control,
        key: value >>> 0,
        payload: withData ? this.#data >>> 0 : undefined,
        source: this.#source & 0xffff,
      });
    }
  }

  #received(): number {
    const packet = this.#waiting[0];
    if (packet === undefined) return RX.NO_ERROR;
    return RX.RECEIVED | RX.NO_ERROR | (packet.route << 24) | (packet.control << 16) | (1 << (packet.control >> 6));
  }
}
