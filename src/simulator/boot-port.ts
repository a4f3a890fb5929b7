import { BOOT_VERSION, BootOpcode, encodeBoot } from "../wire/index.js";
import { BootRom } from "./boot-rom.js";
import type { Clock } from "./clock.js";
import { Counters } from "./counters.js";
import { Port } from "./port.js";
import type { Recorder } from "./recorder.js";

/** Between two hellos of the boot ROM, ms. */
const HELLO_MS = 4096;
/** However fast the machine's time runs, hellos are no flood. */
const HELLO_LEAST_MS = 20;

export interface BootPortSetup {
  readonly clock: Clock;
  readonly recorder: Recorder | undefined;
  /** Multiplies the time between two hellos. */
  readonly timeScale: number;
  /** Where hellos go until a host has spoken; `undefined`: nowhere. */
  readonly helloTo: { readonly host: string; readonly port: number } | undefined;
  /** Whether the chip behind the port has its supply and runs. */
  readonly isAlive: () => boolean;
  /** The ROM has started an image. */
  readonly onImage: (image: Uint8Array) => void;
}

/** UDP port of one board's boot ROM: takes an image while the board is unbooted, and tells the network that it waits. */
export class BootPort {
  readonly counters = new Counters();
  readonly #setup: BootPortSetup;
  #port!: Port;
  #rom: BootRom | undefined;
  /** The host that has spoken to the ROM: hellos go to it alone from then on. */
  #heardFrom: string | undefined;
  #cancelHello: () => void = () => undefined;

  private constructor(setup: BootPortSetup) {
    this.#setup = setup;
  }

  static async open(host: string, port: number, setup: BootPortSetup): Promise<BootPort> {
    const boot = new BootPort(setup);
    boot.#port = await Port.open(
      host,
      port,
      (bytes, address, from) => boot.#receive(bytes, address, from),
      () => {
        boot.counters.dropped.sendFailed += 1;
      },
    );
    return boot;
  }

  get address(): { readonly host: string; readonly port: number } {
    return { host: this.#port.address, port: this.#port.port };
  }

  /** Whether the ROM waits for an image. */
  get isWaiting(): boolean {
    return this.#rom !== undefined;
  }

  /** The board has come out of reset: its ROM waits for an image. */
  wait(): void {
    this.stop();
    this.#rom = new BootRom();
    this.#heardFrom = undefined;
    this.#sayHello();
  }

  /** The ROM runs no more. */
  stop(): void {
    this.#rom = undefined;
    this.#cancelHello();
  }

  async close(): Promise<void> {
    this.stop();
    await this.#port.close();
  }

  #receive(bytes: Buffer, address: string, from: number): void {
    this.counters.received += 1;
    this.counters.receivedBytes += bytes.length;
    this.#setup.recorder?.write(bytes, address, from, this.#port.address, this.#port.port);
    if (!this.#setup.isAlive()) this.counters.dropped.unpowered += 1;
    else if (this.#rom === undefined) this.counters.dropped.nobodyListens += 1;
    else {
      this.#heardFrom = address;
      const image = this.#rom.receive(bytes);
      if (image !== undefined) this.#setup.onImage(image);
    }
  }

  #sayHello(): void {
    const { helloTo, timeScale, clock, recorder } = this.#setup;
    if (helloTo === undefined || this.#rom === undefined) return;
    const host = this.#heardFrom ?? helloTo.host;
    const { address, port } = this.#port;
    this.counters.sent += 1;
    this.counters.sentBytes += HELLO.length;
    recorder?.write(HELLO, address, port, host, helloTo.port);
    this.#port.send(HELLO, helloTo.port, host);
    this.#cancelHello = clock.after(Math.max(HELLO_LEAST_MS, HELLO_MS * timeScale), () => this.#sayHello());
  }
}

const HELLO = encodeBoot({
  version: BOOT_VERSION,
  opcode: BootOpcode.HELLO,
  operand1: 0x02010000,
  operand2: 0,
  operand3: 0x43505453,
  data: new Uint8Array(),
});
