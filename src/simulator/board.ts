import type { ChipCoordinates } from "../machine/index.js";
import { FLAG_REPLY, FLAGS_NO_REPLY, SCP_MAX_REQUEST, SCP_REPLY_OFFSET, SDP_DATA_OFFSET, SDP_MAX_DATA } from "../wire/index.js";
import type { Clock } from "./clock.js";
import { Counters } from "./counters.js";
import type { FaultInjector } from "./fault-injector.js";
import { Port } from "./port.js";
import type { Recorder } from "./recorder.js";
import type { System } from "./system.js";
import { TagFlag, Tags } from "./tags.js";

/** Message buffers of a monitor. */
const MESSAGE_BUFFERS = 32;
const NO_TAG = 0xff;

interface Waiting {
  readonly bytes: Uint8Array;
  /** A fault answers with this code instead of the monitor. */
  readonly refuse: number | undefined;
}

/**
 * One board of the machine as the host's network sees it: the SCP socket of its Ethernet chip, the 16 tags, the sockets of reverse tags.
 *
 * Requests take their transient tag when they arrive and give it back when the reply leaves; what arrived together is served after the last
 * of it has arrived. So a burst of nine loses the ninth, as on the board.
 */
export class Board {
  /** The board's Ethernet chip. */
  readonly chip: ChipCoordinates;
  readonly counters = new Counters();
  tags: Tags;
  /** `false`: no supply, nothing answers. */
  powered = true;
  /** The chips are held in reset: nothing answers. */
  held = false;
  readonly #clock: Clock;
  readonly #faults: FaultInjector;
  readonly #recorder: Recorder | undefined;
  readonly #reverse = new Map<number, Port>();
  readonly #queue: Waiting[] = [];
  #scp!: Port;
  #system: System | undefined;
  #scheduled = false;
  #closed = false;
  /** Called for each message taken in. */
  onRequest: (() => void) | undefined;

  private constructor(chip: ChipCoordinates, clock: Clock, faults: FaultInjector, recorder: Recorder | undefined) {
    this.chip = chip;
    this.#clock = clock;
    this.#faults = faults;
    this.#recorder = recorder;
    this.tags = new Tags(clock);
  }

  static async open(
    chip: ChipCoordinates,
    host: string,
    port: number,
    clock: Clock,
    faults: FaultInjector,
    recorder: Recorder | undefined,
  ): Promise<Board> {
    const board = new Board(chip, clock, faults, recorder);
    board.#scp = await Port.open(
      host,
      port,
      (bytes, address, from) => board.#receive(bytes, address, from),
      () => board.#drop("sendFailed"),
    );
    return board;
  }

  /** Where the board listens for SCP. */
  get address(): { readonly host: string; readonly port: number } {
    return { host: this.#scp.address, port: this.#scp.port };
  }

  /** The system the board belongs to from now on; `undefined` while it is not booted. Tags of the one before are gone. */
  attach(system: System | undefined): void {
    this.#system = system;
    this.tags = new Tags(this.#clock);
    this.#queue.length = 0;
    void this.#closeReverse();
  }

  /** Sends a message out through the tag it names. */
  transmit(bytes: Uint8Array): void {
    const index = bytes[3]!;
    const tag = this.tags.find(index);
    if (tag === undefined || tag.port === 0 || tag.ip === "0.0.0.0") {
      this.#drop("noSuchTag");
      return;
    }
    tag.sent += 1;
    const from = tag.flags & TagFlag.REVERSE ? (this.#reverse.get(index) ?? this.#scp) : this.#scp;
    const outgoing = tag.flags & TagFlag.STRIP ? bytes.subarray(SDP_DATA_OFFSET) : bytes;
    const { ip, port } = tag;
    if (!this.#faults.active) {
      this.#send(from, outgoing, port, ip);
      this.tags.release(index);
      return;
    }
    const tags = this.tags;
    let lent = true;
    const giveBack = (): void => {
      if (lent) tags.release(index);
      lent = false;
    };
    this.#faults.outward(
      outgoing,
      (datagram) => {
        this.#send(from, datagram, port, ip);
        giveBack();
      },
      () => {
        this.#drop("fault");
        giveBack();
      },
    );
  }

  /** Opens or closes the socket of a reverse tag; 0 closes. A port that is taken leaves the tag deaf, as a wrong one on the board would be. */
  async listen(index: number, rxPort: number): Promise<void> {
    const old = this.#reverse.get(index);
    this.#reverse.delete(index);
    await old?.close();
    if (rxPort === 0 || this.#closed) return;
    try {
      const port = await Port.open(
        this.#scp.address,
        rxPort,
        (bytes, address, from) => this.#receiveReverse(index, bytes, address, from),
        () => this.#drop("sendFailed"),
      );
      if (this.#closed || this.tags.entries[index]!.rxPort !== rxPort) await port.close();
      else this.#reverse.set(index, port);
    } catch {
      this.#drop("nobodyListens");
    }
  }

  async close(): Promise<void> {
    this.#closed = true;
    await Promise.all([this.#scp.close(), this.#closeReverse()]);
  }

  #receive(bytes: Buffer, address: string, port: number): void {
    this.counters.received += 1;
    this.counters.receivedBytes += bytes.length;
    this.#recorder?.write(bytes, address, port, this.#scp.address, this.#scp.port);
    if (!this.#faults.active) {
      this.#accept(bytes, address, port);
      return;
    }
    this.#faults.inward(
      bytes,
      (datagram) => this.#accept(datagram, address, port),
      () => this.#drop("fault"),
    );
  }

  #accept(bytes: Uint8Array, address: string, port: number): void {
    if (!this.powered || this.held) {
      this.#drop("unpowered");
      return;
    }
    const system = this.#system;
    if (system === undefined) {
      this.#drop("unbooted");
      return;
    }
    if (bytes.length > SCP_MAX_REQUEST) {
      this.#drop("tooLong");
      return;
    }
    if (bytes.length < SDP_DATA_OFFSET) {
      this.#drop("tooShort");
      return;
    }
    if (this.#queue.length >= MESSAGE_BUFFERS) {
      this.#drop("noMessageBuffer");
      return;
    }
    if (bytes[2]! & FLAG_REPLY) {
      const tag = bytes[3]!;
      if (tag === NO_TAG) {
        const lent = this.tags.lend(address, port);
        if (lent === undefined) {
          this.#drop("noTransientTag");
          return;
        }
        bytes[3] = lent;
      } else if (this.tags.find(tag) === undefined) {
        this.#drop("tagNotInUse");
        return;
      }
    }
    // Whatever the host wrote as its place: the reply comes back to this chip.
    bytes[8] = this.chip.y;
    bytes[9] = this.chip.x;
    this.#queue.push({ bytes, refuse: this.#faults.active && bytes[2]! & FLAG_REPLY ? this.#faults.returnCode(bytes) : undefined });
    this.onRequest?.();
    if (this.#scheduled) return;
    this.#scheduled = true;
    setImmediate(this.#serve);
  }

  readonly #serve = (): void => {
    this.#scheduled = false;
    for (const { bytes, refuse } of this.#queue.splice(0)) {
      const system = this.#system;
      if (system === undefined) return;
      if (refuse === undefined) this.#toSystem(system, bytes);
      else this.transmit(refusal(bytes, refuse, system.root));
    }
  };

  #toSystem(system: System, bytes: Uint8Array): void {
    const chip = system.chip(this.chip.x, this.chip.y);
    if (chip === undefined) {
      this.#drop("monitorDead");
      return;
    }
    system.route(chip, bytes);
  }

  /** Raw data for a reverse tag: they become the payload of an SDP message. */
  #receiveReverse(index: number, bytes: Buffer, address: string, port: number): void {
    this.counters.received += 1;
    this.counters.receivedBytes += bytes.length;
    const system = this.#system;
    const tag = this.tags.find(index);
    if (!this.powered || this.held) {
      this.#drop("unpowered");
      return;
    }
    if (system === undefined) {
      this.#drop("unbooted");
      return;
    }
    if (tag === undefined) {
      this.#drop("noSuchTag");
      return;
    }
    if (bytes.length > SDP_MAX_DATA) {
      this.#drop("tooLong");
      return;
    }
    this.#recorder?.write(bytes, address, port, this.#scp.address, tag.rxPort);
    tag.ip = address;
    tag.port = port;
    const message = new Uint8Array(SDP_DATA_OFFSET + bytes.length);
    message.set([0, 0, 0x07, index, tag.destinationPort, NO_TAG, tag.destination & 0xff, tag.destination >>> 8, this.chip.y, this.chip.x]);
    message.set(bytes, SDP_DATA_OFFSET);
    this.#toSystem(system, message);
  }

  #send(from: Port, bytes: Uint8Array, port: number, address: string): void {
    this.counters.sent += 1;
    this.counters.sentBytes += bytes.length;
    this.#recorder?.write(bytes, from.address, from.port, address, port);
    from.send(bytes, port, address);
  }

  #drop(reason: keyof Counters["dropped"]): void {
    this.counters.dropped[reason] += 1;
  }

  async #closeReverse(): Promise<void> {
    const ports = [...this.#reverse.values()];
    this.#reverse.clear();
    await Promise.all(ports.map((port) => port.close()));
  }
}

/** The answer of a fault to a request. */
function refusal(request: Uint8Array, code: number, root: ChipCoordinates): Uint8Array {
  const reply = new Uint8Array(SCP_REPLY_OFFSET);
  const toRoot = request[6] === 255 && request[7] === 255;
  const [x, y] = toRoot ? [root.x, root.y] : [request[7]!, request[6]!];
  reply.set([0, 0, FLAGS_NO_REPLY, request[3]!, NO_TAG, request[4]!, request[8]!, request[9]!, y, x, code, 0]);
  reply[12] = request[12] ?? 0;
  reply[13] = request[13] ?? 0;
  return reply;
}
