import type { ChipCoordinates } from "../../machine/index.js";
import { SDP_DATA_OFFSET } from "../../wire/index.js";
import { BootRom } from "../boot-rom.js";
import { Counters } from "../counters.js";
import { Port } from "../port.js";
import type { Recorder } from "../recorder.js";
import { octets } from "../tags.js";
import { arpReply, hostMac, readFrame, udpFrame } from "./ethernet-frame.js";
import type { SiliconChip } from "./silicon-chip.js";

/** The firmware's own port (settings in the serial ROM), whatever number the host reaches it by. */
const FIRMWARE_PORT = 17893;
/** The IPTAG command: its operations 0 and 1 set a tag up, bit 29 of its first argument makes it a reverse one (scamp sheet). */
const IPTAG = 26;
const REVERSE = 1 << 29;
/** Sockets for ports of reverse tags; a board has 16 tags. */
const MAX_REVERSE = 16;

/**
 * The network side of a board whose Ethernet chip is emulated: datagrams of the host become frames of its MAC, its frames become datagrams, and its
 * questions for hardware addresses are answered. Ports of reverse tags are opened when a request sets one up.
 */
export class SiliconBoard {
  /** Position of the board's Ethernet chip. */
  readonly chip: ChipCoordinates;
  readonly counters = new Counters();
  readonly #recorder: Recorder | undefined;
  readonly #nudge: () => void;
  readonly #reverse = new Map<number, Port>();
  #scp!: Port;
  #boot!: Port;
  /** The Ethernet chip; `undefined` without supply. */
  #silicon: SiliconChip | undefined;
  #rom: BootRom | undefined;
  #closed = false;

  private constructor(chip: ChipCoordinates, nudge: () => void, recorder: Recorder | undefined) {
    this.chip = chip;
    this.#nudge = nudge;
    this.#recorder = recorder;
  }

  static async open(setup: {
    readonly chip: ChipCoordinates;
    readonly host: string;
    readonly port: number;
    readonly bootPort: number;
    /** Called when a datagram has come in: the machine has something to do. */
    readonly nudge: () => void;
    readonly recorder: Recorder | undefined;
  }): Promise<SiliconBoard> {
    const board = new SiliconBoard(setup.chip, setup.nudge, setup.recorder);
    const failed = (): void => {
      board.counters.dropped.sendFailed += 1;
    };
    board.#scp = await Port.open(
      setup.host,
      setup.port,
      (bytes, address, from) => board.#receive(bytes, address, from, board.#scp),
      failed,
    );
    try {
      board.#boot = await Port.open(setup.host, setup.bootPort, (bytes) => board.#receiveBoot(bytes), failed);
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

  /** Where its boot ROM listens. */
  get bootAddress(): { readonly host: string; readonly port: number } {
    return { host: this.#boot.address, port: this.#boot.port };
  }

  /** The board's Ethernet chip from now on, its boot ROM waiting for an image; `undefined`: no supply. */
  attach(silicon: SiliconChip | undefined): void {
    this.#silicon = silicon;
    this.#rom = silicon === undefined ? undefined : new BootRom();
  }

  /** A frame the MAC sends. */
  transmit(frame: Uint8Array): void {
    const sent = readFrame(frame);
    if (sent === undefined) return;
    if (sent.kind === "arpRequest") {
      const answer = arpReply({ mac: hostMac(sent.ip), ip: sent.ip }, { mac: sent.senderMac, ip: sent.senderIp });
      this.#silicon?.mac?.receive(answer);
      return;
    }
    const from = sent.fromPort === FIRMWARE_PORT ? this.#scp : this.#reverse.get(sent.fromPort);
    this.counters.sent += 1;
    this.counters.sentBytes += sent.data.length;
    this.#recorder?.write(sent.data, this.address.host, (from ?? this.#scp).port, sent.ip, sent.port);
    (from ?? this.#scp).send(sent.data, sent.port, sent.ip);
  }

  async close(): Promise<void> {
    this.#closed = true;
    await Promise.all([this.#scp.close(), this.#boot.close(), ...[...this.#reverse.values()].map((port) => port.close())]);
  }

  #receive(bytes: Buffer, address: string, port: number, at: Port, boardPort = FIRMWARE_PORT): void {
    this.counters.received += 1;
    this.counters.receivedBytes += bytes.length;
    this.#recorder?.write(bytes, address, port, at.address, at.port);
    const silicon = this.#silicon;
    if (silicon === undefined || !silicon.started) {
      this.counters.dropped[silicon === undefined ? "unpowered" : "unbooted"] += 1;
      return;
    }
    if (boardPort === FIRMWARE_PORT) this.#watchTags(bytes);
    const ip = octets(address);
    const own = octets(at.address);
    const mac = Uint8Array.of(0, 0, 0xa4, own[1]!, own[2]!, own[3]!);
    silicon.mac!.receive(udpFrame({ mac: hostMac(ip), ip, port }, { mac, ip: own, port: boardPort }, bytes));
    this.#nudge();
  }

  #receiveBoot(bytes: Buffer): void {
    const image = this.#rom?.receive(bytes);
    if (image === undefined || this.#silicon === undefined || this.#silicon.started) return;
    this.#rom = undefined;
    this.#silicon.start(image);
    this.#nudge();
  }

  /** A request that sets up a reverse tag names the port the board will listen on from now on. */
  #watchTags(bytes: Buffer): void {
    if (bytes.length < SDP_DATA_OFFSET + 16 || bytes.readUInt16LE(SDP_DATA_OFFSET) !== IPTAG) return;
    const arg1 = bytes.readUInt32LE(SDP_DATA_OFFSET + 4);
    if (((arg1 >>> 16) & 0xff) <= 1 && (arg1 & REVERSE) !== 0) void this.#listen(bytes.readUInt16LE(SDP_DATA_OFFSET + 8));
  }

  async #listen(port: number): Promise<void> {
    if (port === 0 || this.#closed || this.#reverse.has(port) || this.#reverse.size >= MAX_REVERSE) return;
    try {
      const opened: Port = await Port.open(
        this.#scp.address,
        port,
        (bytes, address, from) => this.#receive(bytes, address, from, opened, port),
        () => {
          this.counters.dropped.sendFailed += 1;
        },
      );
      if (this.#closed || this.#reverse.has(port)) await opened.close();
      else this.#reverse.set(port, opened);
    } catch {
      this.counters.dropped.nobodyListens += 1;
    }
  }
}
