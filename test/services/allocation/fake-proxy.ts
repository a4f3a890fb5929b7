import { createSocket, type Socket } from "node:dgram";
import { once } from "node:events";
import type { IncomingMessage } from "node:http";
import type { Duplex } from "node:stream";
import { type WebSocket, WebSocketServer } from "ws";

/** The service's proxy as its description has it: frames of a WebSocket to datagrams of real sockets, and back. */
export class FakeProxy {
  readonly sockets = new Set<WebSocket>();
  /** Frames that came, as hexadecimal digits. */
  readonly frames: string[] = [];
  /** Frames that are taken without an answer. */
  isMute = false;
  readonly #hostOf: (chip: string) => string | undefined;
  readonly #server = new WebSocketServer({ noServer: true, perMessageDeflate: false });
  readonly #channels = new Map<number, Socket>();
  #lastChannel = 7;

  constructor(hostOf: (chip: string) => string | undefined) {
    this.#hostOf = hostOf;
  }

  get openChannels(): number {
    return this.#channels.size;
  }

  upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    this.#server.handleUpgrade(request, socket, head, (client) => {
      this.sockets.add(client);
      client.on("message", (data) => void this.#take(client, data as Buffer));
      client.on("close", () => {
        this.sockets.delete(client);
        for (const channel of this.#channels.values()) channel.close();
        this.#channels.clear();
      });
    });
  }

  async close(): Promise<void> {
    for (const client of this.sockets) client.terminate();
    while (this.sockets.size > 0) await new Promise((resolve) => setImmediate(resolve));
  }

  async #take(client: WebSocket, frame: Buffer): Promise<void> {
    this.frames.push(frame.toString("hex"));
    if (this.isMute) return;
    const [op, first] = [frame.readUInt32LE(0), frame.readUInt32LE(4)];
    const answer = (...words: number[]): void => client.send(Buffer.from(Uint32Array.from(words).buffer));
    if (op === 0 || op === 3) {
      const [x, y, port] = op === 0 ? [8, 12, 16].map((at) => frame.readUInt32LE(at)) : [];
      const host = this.#hostOf(`${x},${y}`);
      if (op === 0 && host === undefined) {
        client.send(Buffer.concat([Buffer.from(Uint32Array.from([5, first]).buffer), Buffer.from("unrecognised ethernet chip")]));
        return;
      }
      const socket = createSocket("udp4");
      socket.on("error", () => {});
      socket.bind(0, "127.0.0.1");
      await once(socket, "listening");
      if (op === 0) {
        socket.connect(port!, host);
        await once(socket, "connect");
      }
      this.#lastChannel += 1;
      const channel = this.#lastChannel;
      this.#channels.set(channel, socket);
      socket.on("message", (datagram) => client.send(Buffer.concat([Buffer.from(Uint32Array.from([2, channel]).buffer), datagram])));
      if (op === 0) answer(0, first, channel);
      else {
        const address = Buffer.from([127, 0, 0, 1]).readUInt32LE(0);
        answer(3, first, channel, address, socket.address().port);
      }
    } else if (op === 1) {
      const channel = frame.readUInt32LE(8);
      const socket = this.#channels.get(channel);
      this.#channels.delete(channel);
      socket?.close();
      answer(1, first, socket === undefined ? 0 : channel);
    } else if (op === 2) this.#channels.get(first)?.send(frame.subarray(8), () => {});
    else if (op === 4) {
      const host = this.#hostOf(`${frame.readUInt32LE(8)},${frame.readUInt32LE(12)}`);
      this.#channels.get(first)?.send(frame.subarray(20), frame.readUInt32LE(16), host, () => {});
    } else client.close(1011);
  }
}
