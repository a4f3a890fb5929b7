import { createSocket, type Socket } from "node:dgram";
import { canonical } from "../../src/machine/index.js";
import {
  Command,
  decodeScpRequest,
  encodeScpReply,
  FLAGS_NO_REPLY,
  ReturnCode,
  SCP_REQUEST_OFFSET,
  type ScpRequestPacket,
} from "../../src/wire/index.js";

export interface Answer {
  readonly code?: number;
  readonly payload?: Uint8Array;
}

/** What a script does with a request: an answer, `undefined` for silence, `"default"` for what the board does anyway. */
export type Script = (request: ScpRequestPacket) => Answer | undefined | "default";

export interface ScriptedBoardOptions {
  readonly host: string;
  readonly name?: string;
  readonly version?: string;
  readonly position?: () => readonly [number, number];
  readonly script?: Script;
}

/**
 * Just enough of a board for one test to put words into its mouth: memory (sparse, per chip), VER, READ, WRITE, FILL, and a script that may
 * answer anything else, or nothing. Not a simulation: a whole machine is the simulator's business.
 */
export class ScriptedBoard {
  readonly requests: ScpRequestPacket[] = [];
  /** Datagrams too short for a request: SDP messages to cores. */
  readonly messages: Uint8Array[] = [];
  readonly #socket: Socket;
  readonly #options: ScriptedBoardOptions;
  readonly #memory = new Map<number, number>();
  script: Script;

  private constructor(socket: Socket, options: ScriptedBoardOptions) {
    this.#socket = socket;
    this.#options = options;
    this.script = options.script ?? (() => "default");
    socket.on("message", (datagram, peer) => {
      if (datagram.length < SCP_REQUEST_OFFSET) {
        this.messages.push(new Uint8Array(datagram));
        return;
      }
      const request = decodeScpRequest(datagram);
      this.requests.push(request);
      const scripted = this.script(request);
      const answer = scripted === "default" ? this.#serve(request) : scripted;
      if (answer === undefined) return;
      const [x, y] = request.destX === 255 && request.destY === 255 ? this.#position() : [request.destX, request.destY];
      const reply = encodeScpReply({
        ...{ flags: FLAGS_NO_REPLY, tag: 8, destPort: 7, destCpu: 31, srcPort: 0, srcCpu: request.destCpu },
        ...{ destX: 0, destY: 0, srcX: x, srcY: y, returnCode: answer.code ?? ReturnCode.OK, sequence: request.sequence },
        payload: answer.payload ?? new Uint8Array(),
      });
      socket.send(reply, peer.port, peer.address);
    });
  }

  static async start(options: ScriptedBoardOptions): Promise<ScriptedBoard> {
    const socket = createSocket("udp4");
    await new Promise<void>((resolve, reject) => {
      socket.once("error", reject);
      socket.bind(0, options.host, resolve);
    });
    return new ScriptedBoard(socket, options);
  }

  get host(): string {
    return this.#options.host;
  }

  get port(): number {
    return this.#socket.address().port;
  }

  /** How many requests with this command came. */
  count(command: number): number {
    return this.requests.filter((request) => request.command === command).length;
  }

  poke(address: number, bytes: Uint8Array | readonly number[], x = 0, y = 0): void {
    for (const [i, byte] of bytes.entries()) this.#memory.set(place(address + i, x, y), byte);
  }

  pokeWords(address: number, words: readonly number[], x = 0, y = 0): void {
    this.poke(
      address,
      words.flatMap((word) => [word & 255, (word >>> 8) & 255, (word >>> 16) & 255, word >>> 24]),
      x,
      y,
    );
  }

  peek(address: number, length: number, x = 0, y = 0): Uint8Array {
    return Uint8Array.from({ length }, (_, i) => this.#memory.get(place(address + i, x, y)) ?? 0);
  }

  close(): Promise<void> {
    return new Promise((resolve) => this.#socket.close(() => resolve()));
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #position(): readonly [number, number] {
    return this.#options.position?.() ?? [0, 0];
  }

  #serve(request: ScpRequestPacket): Answer {
    const { command, arg1, arg2, arg3, destX: x, destY: y } = request;
    const [cx, cy] = x === 255 && y === 255 ? [0, 0] : [x, y];
    if (command === Command.VER) return { payload: this.#version() };
    if (command === Command.READ) return { payload: this.peek(arg1, arg2, cx, cy) };
    if (command === Command.WRITE) this.poke(arg1, request.data.subarray(0, arg2), cx, cy);
    else if (command === Command.FILL)
      this.pokeWords(
        arg1,
        Array.from({ length: arg3 / 4 }, () => arg2),
        cx,
        cy,
      );
    else return { code: ReturnCode.CMD };
    return {};
  }

  #version(): Uint8Array {
    const [x, y] = this.#position();
    const text = new TextEncoder().encode(`${this.#options.name ?? "SC&MP/SpiNNaker"}\0${this.#options.version ?? "4.0.0"}\0`);
    const payload = new Uint8Array(12 + text.length);
    payload.set([0, 0, y, x, 0, 1, 0xff, 0xff]);
    payload.set(text, 12);
    return payload;
  }
}

/** A reply that holds words. */
export function words(...values: number[]): Answer {
  const payload = new Uint8Array(4 * values.length);
  const view = new DataView(payload.buffer);
  values.forEach((value, i) => {
    view.setUint32(4 * i, value, true);
  });
  return { payload };
}

function place(address: number, x: number, y: number): number {
  return canonical(address) + ((x << 8) | y) * 2 ** 32;
}
