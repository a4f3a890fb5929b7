import type { ChipCoordinates } from "../machine/index.js";
import { FLAG_REPLY, FLAGS_NO_REPLY, SCP_MAX_REQUEST, SCP_REPLY_OFFSET, SDP_DATA_OFFSET, SDP_MAX_DATA } from "../wire/index.js";
import { BootPort, type BootPortSetup } from "./boot-port.js";
import { Counters } from "./counters.js";
import type { FaultInjector } from "./fault-injector.js";
import { Port } from "./port.js";
import type { System } from "./system.js";
import { TagFlag, Tags, TRANSIENT_TAGS } from "./tags.js";

/** Message buffers of a monitor. */
const MESSAGE_BUFFERS = 32;
const NO_TAG = 0xff;

export interface BoardSetup extends Omit<BootPortSetup, "isAlive" | "onImage"> {
  readonly faults: FaultInjector;
  /** The boot ROM of this board has started an image. */
  readonly onImage: (board: Board, image: Uint8Array) => void;
}

interface Waiting {
  readonly bytes: Uint8Array;
  /** A fault answers with this code instead of the monitor. */
  readonly refuse: number | undefined;
}

/**
 * One board of the machine as the host's network sees it: the SCP socket of its Ethernet chip and that of its boot ROM, the 16 tags, the
 * sockets of reverse tags.
 *
 * Requests take their transient tag when they arrive and give it back when the reply leaves; what arrived together is served after the last
 * of it has arrived. So a burst of nine loses the ninth, as on the board.
 */
export class Board {
  /** The board's Ethernet chip in the whole machine, counted from the first board. */
  readonly home: ChipCoordinates;
  readonly counters = new Counters();
  tags: Tags;
  /** `false`: no supply, nothing answers. */
  powered = true;
  /** The chips are held in reset: nothing answers. */
  held = false;
  readonly #setup: BoardSetup;
  readonly #faults: FaultInjector;
  readonly #reverse = new Map<number, Port>();
  readonly #queue: Waiting[] = [];
  #chip: ChipCoordinates;
  #scp!: Port;
  #boot!: BootPort;
  #system: System | undefined;
  #transientTags = TRANSIENT_TAGS;
  #scheduled = false;
  #closed = false;
  /** Called for each message taken in, before anything is done with it: faults that begin here meet it. */
  onRequest: (() => void) | undefined;

  private constructor(home: ChipCoordinates, setup: BoardSetup) {
    this.home = home;
    this.#chip = home;
    this.#setup = setup;
    this.#faults = setup.faults;
    this.tags = this.#newTags();
  }

  static async open(home: ChipCoordinates, host: string, port: number, bootPort: number, setup: BoardSetup): Promise<Board> {
    const board = new Board(home, setup);
    board.#scp = await Port.open(
      host,
      port,
      (bytes, address, from) => board.#receive(bytes, address, from),
      () => board.#drop("sendFailed"),
    );
    try {
      board.#boot = await BootPort.open(host, bootPort, {
        ...setup,
        isAlive: () => board.powered && !board.held,
        onImage: (image) => setup.onImage(board, image),
      });
    } catch (error) {
      await board.#scp.close();
      throw error;
    }
    return board;
  }

  /** Where the board listens for SCP. */
  get address(): { readonly host: string; readonly port: number } {
    return { host: this.#scp.address, port: this.#scp.port };
  }

  /** The boot ROM of the board's Ethernet chip. */
  get boot(): BootPort {
    return this.#boot;
  }

  /** The board's Ethernet chip, as the machine counts that the board was booted into: the board that got the image is 0,0. */
  get chip(): ChipCoordinates {
    return this.#chip;
  }

  /** What the board was booted into. */
  get system(): System | undefined {
    return this.#system;
  }

  /** Whether SC&MP runs on the board, and its network is up. */
  get isBooted(): boolean {
    return this.#system?.up === true;
  }

  /** How many requests may wait for their answer: each needs a transient tag. */
  set transientTags(count: number) {
    this.#transientTags = count;
    this.tags.transientCount = count;
  }

  /** The system the board belongs to from now on, and its place there; `undefined` while it is not booted. Tags of the one before are gone. */
  attach(system: System | undefined, chip: ChipCoordinates = this.home): void {
    this.#system = system;
    this.#chip = chip;
    this.tags = this.#newTags();
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
    await Promise.all([this.#scp.close(), this.#boot.close(), this.#closeReverse()]);
  }

  #newTags(): Tags {
    const tags = new Tags(this.#setup.clock);
    tags.transientCount = this.#transientTags;
    return tags;
  }

  #receive(bytes: Buffer, address: string, port: number): void {
    this.counters.received += 1;
    this.counters.receivedBytes += bytes.length;
    this.#setup.recorder?.write(bytes, address, port, this.#scp.address, this.#scp.port);
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
    this.onRequest?.();
    if (this.#system !== system) {
      this.#drop("unbooted");
      return;
    }
    // Whatever the host wrote as its place: the reply comes back to this chip.
    bytes[8] = this.#chip.y;
    bytes[9] = this.#chip.x;
    this.#queue.push({ bytes, refuse: this.#faults.active && bytes[2]! & FLAG_REPLY ? this.#faults.returnCode(bytes) : undefined });
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
    const chip = system.chip(this.#chip.x, this.#chip.y);
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
    this.#setup.recorder?.write(bytes, address, port, this.#scp.address, tag.rxPort);
    tag.ip = address;
    tag.port = port;
    const message = new Uint8Array(SDP_DATA_OFFSET + bytes.length);
    message.set([
      0,
      0,
      0x07,
      index,
      tag.destinationPort,
      NO_TAG,
      tag.destination & 0xff,
      tag.destination >>> 8,
      this.#chip.y,
      this.#chip.x,
    ]);
    message.set(bytes, SDP_DATA_OFFSET);
    this.#toSystem(system, message);
  }

  #send(from: Port, bytes: Uint8Array, port: number, address: string): void {
    this.counters.sent += 1;
    this.counters.sentBytes += bytes.length;
    this.#setup.recorder?.write(bytes, from.address, from.port, address, port);
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
