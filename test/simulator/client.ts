import { createSocket, type Socket } from "node:dgram";
import { once } from "node:events";
import { decodeScpReply, encodeScpRequest, type ScpReplyPacket } from "../../src/wire/index.js";

export interface Ask {
  readonly command: number;
  readonly x?: number;
  readonly y?: number;
  readonly p?: number;
  readonly port?: number;
  readonly arg1?: number;
  readonly arg2?: number;
  readonly arg3?: number;
  readonly data?: Uint8Array;
  readonly flags?: number;
  readonly tag?: number;
}

/** A host with one socket: datagrams out, datagrams in, nothing clever in between. */
export class TestClient implements AsyncDisposable {
  readonly received: Buffer[] = [];
  readonly socket: Socket;
  readonly #target: { readonly host: string; readonly port: number };
  readonly #waiting: ((datagram: Buffer) => void)[] = [];
  #sequence = 0x0100;

  private constructor(socket: Socket, target: { readonly host: string; readonly port: number }) {
    this.socket = socket;
    this.#target = target;
    socket.on("message", (datagram) => {
      const next = this.#waiting.shift();
      if (next === undefined) this.received.push(datagram);
      else next(datagram);
    });
  }

  static async open(target: { readonly host: string; readonly port: number }): Promise<TestClient> {
    const socket = createSocket("udp4");
    socket.bind(0, "127.0.0.1");
    await once(socket, "listening");
    return new TestClient(socket, target);
  }

  get port(): number {
    return this.socket.address().port;
  }

  send(datagram: Uint8Array): void {
    this.socket.send(datagram, this.#target.port, this.#target.host);
  }

  /** The next datagram, or `undefined` after `ms` of silence. */
  async next(ms = 5000): Promise<Buffer | undefined> {
    const ready = this.received.shift();
    if (ready !== undefined) return ready;
    return new Promise((resolve) => {
      const take = (datagram: Buffer): void => {
        clearTimeout(timer);
        resolve(datagram);
      };
      const timer = setTimeout(() => {
        this.#waiting.splice(this.#waiting.indexOf(take), 1);
        resolve(undefined);
      }, ms);
      this.#waiting.push(take);
    });
  }

  request(ask: Ask): Uint8Array {
    this.#sequence = (this.#sequence + 1) & 0xffff;
    return encodeScpRequest({
      flags: ask.flags ?? 0x87,
      tag: ask.tag ?? 0xff,
      destPort: ask.port ?? 0,
      destCpu: ask.p ?? 0,
      srcPort: 7,
      srcCpu: 31,
      destX: ask.x ?? 0,
      destY: ask.y ?? 0,
      srcX: 0,
      srcY: 0,
      command: ask.command,
      sequence: this.#sequence,
      arg1: ask.arg1 ?? 0,
      arg2: ask.arg2 ?? 0,
      arg3: ask.arg3 ?? 0,
      data: ask.data ?? new Uint8Array(),
    });
  }

  /** Sends a request and takes the next datagram for its answer. Throws when none comes. */
  async ask(ask: Ask): Promise<ScpReplyPacket> {
    this.send(this.request(ask));
    const reply = await this.next();
    if (reply === undefined) throw new Error(`no answer to command ${ask.command}`);
    return decodeScpReply(reply);
  }

  async read(address: number, length: number, place: { x?: number; y?: number; p?: number } = {}): Promise<Uint8Array> {
    const bytes = new Uint8Array(length);
    for (let done = 0; done < length; done += 256) {
      const count = Math.min(256, length - done);
      const unit = (address | count) % 4 === 0 ? 2 : (address | count) % 2 === 0 ? 1 : 0;
      const reply = await this.ask({ command: 2, ...place, arg1: address + done, arg2: count, arg3: unit });
      if (reply.payload.length !== count) throw new Error(`${reply.payload.length} bytes instead of ${count}`);
      bytes.set(reply.payload, done);
    }
    return bytes;
  }

  async write(address: number, bytes: Uint8Array, place: { x?: number; y?: number; p?: number } = {}): Promise<void> {
    for (let done = 0; done < bytes.length; done += 256) {
      const data = bytes.subarray(done, done + 256);
      const unit = (address | data.length) % 4 === 0 ? 2 : (address | data.length) % 2 === 0 ? 1 : 0;
      await this.ask({ command: 3, ...place, arg1: address + done, arg2: data.length, arg3: unit, data });
    }
  }

  async word(address: number, place: { x?: number; y?: number; p?: number } = {}): Promise<number> {
    return word(await this.read(address, 4, place));
  }

  async close(): Promise<void> {
    await new Promise<void>((resolve) => this.socket.close(() => resolve()));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}

export function word(bytes: Uint8Array, offset = 0): number {
  return new DataView(bytes.buffer, bytes.byteOffset).getUint32(offset, true);
}

/** Waits until a condition holds; fails after eight seconds. */
export async function until(condition: () => boolean | Promise<boolean>, ms = 8000): Promise<void> {
  const end = performance.now() + ms;
  while (!(await condition())) {
    if (performance.now() > end) throw new Error("the condition never came true");
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
}
