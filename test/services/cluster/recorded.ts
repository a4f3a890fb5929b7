import { readFileSync } from "node:fs";
import type { Json } from "../../../src/services/cluster/message.js";
import { MessageCodec } from "../../../src/services/cluster/message.js";
import type { OpenSocket } from "../../../src/services/cluster/socket.js";

/** Text, or bytes in base64. */
type Frame = string | { readonly b64: string };

interface Event {
  readonly dir: "send" | "recv";
  readonly socket: string;
  readonly frames: readonly string[];
}

export const vectors = JSON.parse(readFileSync(new URL("../../../fixtures/ipyparallel.json", import.meta.url), "utf8")) as {
  readonly key: string;
  readonly connection_files: Readonly<Record<"client" | "engine" | "client_with_curve", Json>>;
  readonly signing: readonly {
    readonly scheme: string;
    readonly key: string;
    readonly idents: readonly string[];
    readonly header: never;
    readonly metadata: Json;
    readonly content: Json;
    readonly buffers: readonly string[];
    readonly frames: readonly Frame[];
  }[];
  readonly sessions: readonly { readonly name: string; readonly events: readonly Event[] }[];
};

export const bytes = (frames: readonly Frame[]): Uint8Array[] =>
  frames.map((frame) => (typeof frame === "string" ? Buffer.from(frame, "utf8") : Buffer.from(frame.b64, "base64")));

/**
 * A controller that plays a recorded session: after each message of the client, what the real one sent until the client's next. The client's
 * own numbers stand in for the recorded ones, and all is signed again.
 */
export class RecordedController {
  readonly sent: { readonly port: string; readonly type: unknown; readonly content: Json; readonly idents: readonly string[] }[] = [];
  readonly codec = new MessageCodec(vectors.key);
  closed = 0;
  /** Changes bytes on their way to the client. */
  tamper = (frames: Uint8Array[]): Uint8Array[] => frames;
  readonly #hears = new Map<string, (frames: readonly Uint8Array[]) => void>();
  readonly #names = new Map<string, string>();
  #events: readonly Event[];
  #serial = 0;

  constructor(...names: string[]) {
    const find = (wanted: string) => vectors.sessions.find((session) => session.name === wanted)!.events;
    this.#events = ["connect", ...names].flatMap(find);
  }

  readonly open: OpenSocket = (_kind, address, hears) => {
    const ports = vectors.connection_files.client;
    const port = Object.keys(ports).find((key) => address.endsWith(`:${String(ports[key])}`))!;
    this.#hears.set(port === "registration" ? "query" : port, hears.message);
    return {
      send: (frames) => this.#take(port === "registration" ? "query" : port, frames),
      close: () => {
        this.closed += 1;
      },
    };
  };

  /** Sends what is recorded up to the client's next message. */
  play(): void {
    while (this.#events[0]?.dir === "recv") {
      const [{ socket, frames }, ...rest] = this.#events as [Event, ...Event[]];
      this.#events = rest;
      const at = frames.indexOf("<IDS|MSG>");
      const [header, parentHeader, metadata, content] = frames.slice(at + 2, at + 6).map((frame) => {
        let text = frame;
        for (const [recorded, now] of this.#names) text = text.replaceAll(recorded, now);
        return JSON.parse(text) as Json;
      }) as [Json, Json, Json, Json];
      this.#serial += 1;
      const fresh = { ...header, msg_id: `${String(header["msg_id"])}_${this.#serial}` } as never;
      this.#hears.get(socket)?.(
        this.tamper(this.codec.encode({ idents: bytes(frames.slice(0, at)), header: fresh, parentHeader, metadata, content })),
      );
    }
  }

  #take(port: string, frames: readonly Uint8Array[]): void {
    const { idents, header, content } = this.codec.decode(frames);
    this.sent.push({ port, type: header["msg_type"], content, idents: idents.map((ident) => Buffer.from(ident).toString()) });
    const [recorded] = this.#events;
    if (recorded?.dir !== "send" || recorded.socket !== port) return;
    const at = recorded.frames.indexOf("<IDS|MSG>");
    const was = JSON.parse(recorded.frames[at + 2]!) as Json;
    if (was["msg_type"] !== header["msg_type"]) return;
    this.#events = this.#events.slice(1);
    this.#names.set(String(was["msg_id"]), String(header["msg_id"]));
    queueMicrotask(() => queueMicrotask(() => this.play()));
  }
}
