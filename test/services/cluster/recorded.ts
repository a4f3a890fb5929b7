import { readFileSync } from "node:fs";
import type { ClusterMessage, Json, Frame as WireFrame } from "../../../src/services/cluster/message.js";
import { MessageCodec } from "../../../src/services/cluster/message.js";
import type { OpenSocket } from "../../../src/services/cluster/socket.js";

/** Text, or bytes in base64. */
type Frame = string | { readonly b64: string };

interface Event {
  readonly dir: "send" | "recv";
  readonly socket: string;
  readonly frames: readonly Frame[];
}

/** What a client sent, for tests to look at and to answer. */
export interface Sent {
  readonly port: string;
  readonly type: unknown;
  readonly header: Json;
  readonly content: Json;
  readonly metadata: Json;
  readonly idents: readonly string[];
  readonly buffers: readonly Uint8Array[];
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

const more = JSON.parse(readFileSync(new URL("../../../fixtures/cluster-sessions.json", import.meta.url), "utf8")) as Pick<
  typeof vectors,
  "sessions"
>;

/** What was exchanged in a recorded session. */
export const session = (wanted: string): readonly Event[] =>
  [...vectors.sessions, ...more.sessions].find(({ name }) => name === wanted)!.events;

export const bytes = (frames: readonly Frame[]): Uint8Array[] =>
  frames.map((frame) => (typeof frame === "string" ? Buffer.from(frame, "utf8") : Buffer.from(frame.b64, "base64")));

/**
 * A controller that plays a recorded session: after each message of the client, what the real one sent until the client's next. The client's
 * own numbers stand in for the recorded ones, and all is signed again.
 */
export class RecordedController {
  readonly sent: Sent[] = [];
  readonly codec = new MessageCodec(vectors.key);
  closed = 0;
  /** Tells the client that its connection came up or broke. */
  connected: (isUp: boolean) => void = () => {};
  /** Changes bytes on their way to the client. */
  tamper = (frames: WireFrame[]): WireFrame[] => frames;
  readonly #hears = new Map<string, (frames: readonly WireFrame[]) => void>();
  readonly #names = new Map<string, string>();
  #events: readonly Event[];
  #serial = 0;

  constructor(...names: string[]) {
    this.#events = ["connect", ...names].flatMap((name) => session(name));
  }

  readonly open: OpenSocket = ({ addresses, message, connected }) => {
    const [address = ""] = addresses;
    const ports = vectors.connection_files.client;
    const port = Object.keys(ports).find((key) => address.endsWith(`:${String(ports[key])}`))!;
    this.#hears.set(port === "registration" ? "query" : port, message);
    if (connected !== undefined) this.connected = connected;
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
        let text = String(frame);
        for (const [recorded, now] of this.#names) text = text.replaceAll(recorded, now);
        return JSON.parse(text) as Json;
      }) as [Json, Json, Json, Json];
      this.#serial += 1;
      const fresh = { ...header, msg_id: `${String(header["msg_id"])}_${this.#serial}` } as never;
      this.#hears.get(socket)?.(
        this.tamper(
          this.codec.encode({
            idents: bytes(frames.slice(0, at)),
            header: fresh,
            parentHeader,
            metadata,
            content,
            buffers: bytes(frames.slice(at + 6)),
          }),
        ),
      );
    }
  }

  /** Sends something that is not recorded: an answer to `sent`, or with null news of nobody's asking. */
  say(socket: string, sent: Sent | null, type: string, parts: { content?: Json; metadata?: Json; buffers?: Uint8Array[] }): void {
    this.#serial += 1;
    const header = {
      msg_id: `said_${this.#serial}`,
      msg_type: type,
      username: "x",
      session: "x",
      date: new Date().toISOString(),
      version: "5.3",
    };
    this.#hears.get(socket)?.(this.codec.encode({ header, parentHeader: sent?.header ?? {}, ...parts }));
  }

  #take(port: string, frames: readonly WireFrame[]): void {
    let message: ClusterMessage;
    try {
      message = this.codec.decode(frames);
    } catch {
      // As the real one: not a word to what another key has signed.
      return;
    }
    const { idents, header, content, metadata, buffers } = message;
    const names = idents.map((ident) => Buffer.from(ident).toString());
    this.sent.push({ port, type: header["msg_type"], header, content, metadata, buffers, idents: names });
    const [recorded] = this.#events;
    if (recorded?.dir !== "send" || recorded.socket !== port) return;
    const at = recorded.frames.indexOf("<IDS|MSG>");
    const was = JSON.parse(String(recorded.frames[at + 2])) as Json;
    if (was["msg_type"] !== header["msg_type"]) return;
    this.#events = this.#events.slice(1);
    this.#names.set(String(was["msg_id"]), String(header["msg_id"]));
    queueMicrotask(() => queueMicrotask(() => this.play()));
  }
}

/** What a promise, or a result, is rejected with. */
export const rejection = (promise: PromiseLike<unknown>): Promise<Error & { readonly code?: string; readonly hint?: string }> =>
  Promise.resolve(promise).then(
    () => Promise.reject(new Error("expected a rejection")),
    (error) => error,
  );
