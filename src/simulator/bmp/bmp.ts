import {
  Command,
  FLAG_REPLY,
  FLAGS_NO_REPLY,
  ReturnCode,
  SCP_MAX_REQUEST,
  SCP_REPLY_OFFSET,
  SCP_REQUEST_OFFSET,
  SDP_DATA_OFFSET,
} from "../../wire/index.js";
import type { Clock } from "../clock.js";
import { Counters, type DropReason } from "../counters.js";
import { Port } from "../port.js";
import type { Recorder } from "../recorder.js";
import { word } from "../scp-call.js";
import { octets, Tags } from "../tags.js";
import { type BmpAnswer, type BmpController, type BmpRequest, POWER_ON_MS, WATCHDOG_MS } from "./controller.js";

const MESSAGE_BUFFERS = 8;
const NO_TAG = 0xff;
const TAG_ENTRY = 24;
const MAX_TAG_ENTRIES = 10;

export interface BmpSetup {
  readonly clock: Clock;
  readonly recorder: Recorder | undefined;
  /** Multiplies the duration of power sequences. */
  readonly timeScale: number;
  /** Added to every answer, ms. Asked for each request: faults change while the machine runs. */
  readonly delayMs: () => number;
  /** The controllers of the frame by slot: one BMP passes orders on to the others over CAN. */
  readonly frame: readonly (BmpController | undefined)[];
}

/** The network side of one BMP: its socket, its tags, and one request after the other. */
export class Bmp {
  readonly counters = new Counters();
  readonly controller: BmpController;
  readonly #setup: BmpSetup;
  readonly #tags: Tags;
  readonly #queue: Uint8Array[] = [];
  #port!: Port;
  #busy = false;

  private constructor(controller: BmpController, setup: BmpSetup) {
    this.controller = controller;
    this.#setup = setup;
    this.#tags = new Tags(setup.clock);
  }

  static async open(host: string, port: number, controller: BmpController, setup: BmpSetup): Promise<Bmp> {
    const bmp = new Bmp(controller, setup);
    bmp.#port = await Port.open(
      host,
      port,
      (bytes, address, from) => bmp.#receive(bytes, address, from),
      () => bmp.#drop("sendFailed"),
    );
    return bmp;
  }

  get address(): { readonly host: string; readonly port: number } {
    return { host: this.#port.address, port: this.#port.port };
  }

  async close(): Promise<void> {
    await this.#port.close();
  }

  #receive(bytes: Buffer, address: string, port: number): void {
    this.counters.received += 1;
    this.counters.receivedBytes += bytes.length;
    this.#setup.recorder?.write(bytes, address, port, this.#port.address, this.#port.port);
    if (this.controller.isStuck) {
      this.#drop("nobodyListens");
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
      if (bytes[3] === NO_TAG) {
        const tag = this.#tags.lend(address, port);
        if (tag === undefined) {
          this.#drop("noTransientTag");
          return;
        }
        bytes[3] = tag;
      } else if (this.#tags.find(bytes[3]!) === undefined) {
        this.#drop("tagNotInUse");
        return;
      }
    }
    this.#queue.push(bytes);
    if (!this.#busy) this.#next();
  }

  /** One request at a time: while a power sequence runs, the others wait. */
  #next(): void {
    const bytes = this.#queue[0];
    this.#busy = bytes !== undefined;
    if (bytes === undefined) return;
    const answer = this.#decide(bytes);
    const wait = (answer?.afterMs ?? 0) * this.#setup.timeScale + this.#setup.delayMs();
    const finish = (): void => {
      this.#queue.shift();
      this.#reply(bytes, answer);
      this.#next();
    };
    if (wait > 0) this.#setup.clock.after(wait, finish);
    else setImmediate(finish);
  }

  #decide(bytes: Uint8Array): BmpAnswer {
    const slot = bytes[4]! & 31;
    const controller = this.#setup.frame[slot];
    if (controller === undefined) return { code: ReturnCode.ROUTE };
    if (controller.isStuck) return undefined;
    const port = bytes[4]! >>> 5;
    if (port === 7) return undefined;
    if (port !== 0) return { code: ReturnCode.PORT };
    if (bytes.length < SCP_REQUEST_OFFSET) return { code: ReturnCode.LEN };
    return this.#execute(controller, {
      command: bytes[10]! | (bytes[11]! << 8),
      arg1: word(bytes, 14),
      arg2: word(bytes, 18),
      arg3: word(bytes, 22),
      data: bytes.subarray(SCP_REQUEST_OFFSET),
    });
  }

  #execute(controller: BmpController, request: BmpRequest): BmpAnswer {
    switch (request.command) {
      case Command.VER:
        return { code: ReturnCode.OK, payload: controller.version() };
      case Command.READ:
        return controller.read(request);
      case Command.WRITE:
        return controller.write(request);
      case Command.FILL:
        return controller.fill(request);
      case Command.LINK_READ:
        return controller.fpgaRead(request);
      case Command.LINK_WRITE:
        return controller.fpgaWrite(request);
      case Command.LED:
        return controller.led(request);
      case Command.IPTAG:
        return this.#ipTag(request);
      case Command.BMP_INFO:
        return controller.information(request);
      case Command.FLASH_COPY:
        return this.#flashCopy(controller, request);
      case Command.FLASH_ERASE:
        return controller.flashErase(request);
      case Command.FLASH_WRITE:
        return controller.flashWrite(request);
      case Command.BMP_SF:
        return controller.serialFlash(request);
      case Command.BMP_EE:
        return controller.eeprom(request);
      case Command.RESET:
        return this.#reset(controller, request);
      case Command.XILINX:
        return controller.xilinx(request);
      case Command.POWER:
        return this.#power(controller, request);
      case Command.BMP_I2C:
        return controller.i2c(request);
      case Command.BMP_PWM:
        return { code: ReturnCode.OK };
      default:
        return { code: ReturnCode.CMD };
    }
  }

  /** Nobody answers; after the watchdog has had its time the BMP starts, and as every BMP that starts it switches its board on. */
  #flashCopy(controller: BmpController, request: BmpRequest): BmpAnswer {
    controller.flashCopy(request);
    const { clock, timeScale } = this.#setup;
    clock.after(WATCHDOG_MS * timeScale, () => {
      controller.isStuck = false;
      controller.beginPower();
      clock.after(POWER_ON_MS * timeScale, () => controller.power(true));
    });
    return undefined;
  }

  /** Every board of the mask works on its own; the answer waits for the addressed one alone. */
  #power(addressed: BmpController, request: BmpRequest): BmpAnswer {
    const own = addressed.powerDuration(request);
    if (own === undefined) return { code: ReturnCode.ARG };
    const on = (request.arg1 & 0xff) === 1;
    for (const controller of this.#setup.frame) {
      if (controller === undefined || ((request.arg2 >>> controller.identity.slot) & 1) === 0) continue;
      const duration = (controller.powerDuration(request) ?? 0) * this.#setup.timeScale;
      controller.beginPower();
      if (duration > 0) this.#setup.clock.after(duration, () => controller.power(on));
      else controller.power(on);
    }
    return { code: ReturnCode.OK, afterMs: own };
  }

  #reset(addressed: BmpController, request: BmpRequest): BmpAnswer {
    const answer = addressed.reset(request);
    if (answer?.code !== ReturnCode.OK) return answer;
    for (const controller of this.#setup.frame) {
      if (controller === undefined || ((request.arg2 >>> controller.identity.slot) & 1) === 0) continue;
      const wait = (request.arg1 >>> 16) * controller.identity.slot * this.#setup.timeScale;
      if (wait > 0) this.#setup.clock.after(wait, () => controller.applyReset(request.arg1 & 0xff));
      else controller.applyReset(request.arg1 & 0xff);
    }
    return answer;
  }

  #ipTag(request: BmpRequest): BmpAnswer {
    const [op, tag] = [request.arg1 >>> 16, request.arg1 & 0xffff];
    const tags = this.#tags;
    const bytes = (...values: number[]): BmpAnswer => ({ code: ReturnCode.OK, payload: Uint8Array.from(values) });
    if (op > 4 || tag > 15) return { code: ReturnCode.ARG };
    if (op === 0 || op === 1) {
      const index = op === 1 ? tag : tags.firstFree();
      if (index === undefined) return bytes(0xff, 0, 0, 0);
      const address = request.arg3;
      const ip = `${address & 0xff}.${(address >>> 8) & 0xff}.${(address >>> 16) & 0xff}.${address >>> 24}`;
      const values = { flags: 0, ip, port: request.arg2 & 0xffff, rxPort: 0, destination: 0, destinationPort: 0 };
      tags.set(index, values, (request.arg2 >>> 16) & 15);
      return bytes(index, 0, 0, 0);
    }
    if (op === 2) {
      if (request.arg2 > MAX_TAG_ENTRIES) return { code: ReturnCode.ARG };
      return { code: ReturnCode.OK, payload: this.#entries(tag, request.arg2) };
    }
    if (op === 3) {
      tags.clear(tag);
      return { code: ReturnCode.OK };
    }
    const code = tags.transientCode;
    if (request.arg2 < 16) tags.transientCode = request.arg2;
    return bytes(code, 0, 8, 8);
  }

  #entries(first: number, count: number): Uint8Array {
    const payload = new Uint8Array(count * TAG_ENTRY);
    const view = new DataView(payload.buffer);
    for (let i = 0; i < count && first + i < 16; i += 1) {
      const tag = this.#tags.find(first + i);
      if (tag === undefined) continue;
      const at = i * TAG_ENTRY;
      payload.set(octets(tag.ip), at);
      payload.fill(2, at + 4, at + 10);
      view.setUint16(at + 10, tag.port, true);
      view.setUint16(at + 14, tag.flags, true);
      view.setUint32(at + 16, tag.sent, true);
    }
    return payload;
  }

  #reply(request: Uint8Array, answer: BmpAnswer): void {
    const index = request[3]!;
    if ((request[2]! & FLAG_REPLY) === 0) return;
    const tag = this.#tags.find(index);
    if (answer === undefined || tag === undefined) return;
    const payload = answer.payload ?? new Uint8Array();
    const { frame, slot } = this.controller.identity;
    const reply = new Uint8Array(SCP_REPLY_OFFSET + payload.length);
    reply.set([0, 0, FLAGS_NO_REPLY, index, 0xe0 | slot, request[4]!, frame, 0, request[6]!, request[7]!, answer.code, 0]);
    reply[12] = request[12] ?? 0;
    reply[13] = request[13] ?? 0;
    reply.set(payload, SCP_REPLY_OFFSET);
    tag.sent += 1;
    this.counters.sent += 1;
    this.counters.sentBytes += reply.length;
    this.#setup.recorder?.write(reply, this.#port.address, this.#port.port, tag.ip, tag.port);
    this.#port.send(reply, tag.port, tag.ip);
    this.#tags.release(index);
  }

  #drop(reason: DropReason): void {
    this.counters.dropped[reason] += 1;
  }
}
