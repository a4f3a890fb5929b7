import { SpinnError } from "../../errors.js";
import type { ClusterConnection } from "./connection-file.js";

/** One ZMQ socket that is connected to the controller. */
export interface ClusterSocket {
  /** Takes one message; it is sent in order, whenever the system takes it. */
  send(frames: readonly Uint8Array[]): void;
  close(): void;
}

/** Opens sockets of one kind: ZMQ's own, or a test's. */
export type OpenSocket = (
  kind: "dealer" | "subscriber",
  address: string,
  hears: { readonly message: (frames: readonly Uint8Array[]) => void; readonly error: (error: Error) => void },
) => ClusterSocket;

/** What is used of the package `zeromq`: it is loaded only when a cluster is used, and may be missing. */
interface Zmq {
  readonly Dealer: new (options: object) => ZmqSocket;
  readonly Subscriber: new (options: object) => ZmqSocket;
  curveKeyPair(): { readonly publicKey: string; readonly secretKey: string };
}

interface ZmqSocket extends AsyncIterable<readonly Uint8Array[]> {
  connect(address: string): void;
  /** Of subscribers only; without a topic, everything. */
  subscribe?(): void;
  send(frames: readonly Uint8Array[]): Promise<void>;
  close(): void;
}

/** Messages that may wait to be sent on one socket: a controller that stops must not fill the memory here. */
const MAX_UNSENT = 100_000;

/** Loads `zeromq`. Throws `ERR_SPINN_UNREACHABLE` with the way to install it. */
export async function zmqSockets(connection: ClusterConnection, load = loadZmq): Promise<OpenSocket> {
  const zmq = await load().catch((cause: unknown) => {
    throw new SpinnError("ERR_SPINN_UNREACHABLE", "a cluster is reached over ZeroMQ, and the package zeromq is not installed", {
      cause,
      hint: "npm install zeromq@6",
    });
  });
  const { curveServerKey } = connection;
  const pair = curveServerKey === null ? undefined : zmq.curveKeyPair();
  const security = pair === undefined ? {} : { curveServerKey, curvePublicKey: pair.publicKey, curveSecretKey: pair.secretKey };
  return (kind, address, hears) => {
    // Linger 0: what was not sent when the client closes must not keep the process. No limits in the library: it would drop in silence.
    const options = { linger: 0, receiveHighWaterMark: 0, ...(kind === "dealer" ? { sendHighWaterMark: 0 } : {}), ...security };
    const socket = kind === "dealer" ? new zmq.Dealer(options) : new zmq.Subscriber(options);
    socket.subscribe?.();
    socket.connect(address);
    let closed = false;
    let sending = false;
    const unsent: (readonly Uint8Array[])[] = [];
    const fail = (error: unknown): void => {
      if (!closed) hears.error(error instanceof Error ? error : new Error(String(error)));
    };
    const receive = async (): Promise<void> => {
      for await (const frames of socket) hears.message(frames);
    };
    // One send at a time: a second one before the first has settled is refused with EBUSY.
    const flush = async (): Promise<void> => {
      sending = true;
      for (let frames = unsent.shift(); frames !== undefined && !closed; frames = unsent.shift()) await socket.send(frames);
      sending = false;
    };
    receive().catch(fail);
    return {
      send(frames) {
        if (unsent.length >= MAX_UNSENT) {
          throw new SpinnError("ERR_SPINN_REFUSED", `${MAX_UNSENT} messages wait for ${address} to take them`, {
            hint: "is the controller running?",
          });
        }
        unsent.push(frames);
        if (!sending) flush().catch(fail);
      },
      close() {
        closed = true;
        unsent.length = 0;
        socket.close();
      },
    };
  };
}

async function loadZmq(): Promise<Zmq> {
  // The name in a variable: the package need not be there when this one is compiled.
  const name = "zeromq";
  return (await import(name)) as Zmq;
}
