import { SpinnError } from "../../errors.js";
import type { Frame } from "./message.js";

/** One ZMQ socket that is connected to the controller. */
export interface ClusterSocket {
  /** Takes one message; it is sent in order, whenever the system takes it. */
  send(frames: readonly Frame[]): void;
  close(): void;
}

export interface SocketPlan {
  readonly kind: "dealer" | "router" | "subscriber" | "publisher";
  /** What it connects to; one, or several at once. */
  readonly addresses: readonly string[];
  /** How long what was sent may still be on its way after close(); default 0: it is dropped. */
  readonly lingerMs?: number | undefined;
  /** What the other side knows it by; default ZeroMQ's choice. */
  readonly identity?: string | undefined;
  readonly message: (frames: readonly Frame[]) => void;
  readonly error: (error: Error) => void;
  /** The connection came up (true) or broke (false); ZeroMQ tries again by itself. */
  readonly connected?: ((isUp: boolean) => void) | undefined;
}

/** Opens sockets: ZMQ's own, or a test's. */
export type OpenSocket = (plan: SocketPlan) => ClusterSocket;

/** What is used of the package `zeromq`: it is loaded only when a cluster is used, and may be missing. */
interface Zmq {
  readonly Dealer: ZmqClass;
  readonly Router: ZmqClass;
  readonly Subscriber: ZmqClass;
  readonly Publisher: ZmqClass;
  curveKeyPair(): { readonly publicKey: string; readonly secretKey: string };
}

type ZmqClass = new (options: object) => ZmqSocket;

interface ZmqSocket {
  readonly events: { on(type: "connect" | "disconnect" | "handshake", listener: () => void): void };
  connect(address: string): void;
  /** Of subscribers only; without a topic, everything. */
  subscribe?(): void;
  send(frames: readonly Frame[]): Promise<void>;
  /** Not of publishers. Fails when the socket is closed. */
  receive?(): Promise<readonly Uint8Array[]>;
  close(): void;
}

/** Messages that may wait to be sent on one socket: a controller that stops must not fill the memory here. */
const MAX_UNSENT = 100_000;
/** ZeroMQ's own heartbeats, answered by the other side's library: a controller that lost its network is noticed. */
const HEARTBEATS = { heartbeatInterval: 5000, heartbeatTimeout: 15_000, heartbeatTimeToLive: 30_000 };

/** Loads `zeromq`. Throws `ERR_SPINN_UNREACHABLE` with the way to install it. */
export async function zmqSockets(security: { readonly curveServerKey: string | null }, load = loadZmq): Promise<OpenSocket> {
  const zmq = await load().catch((cause: unknown) => {
    throw new SpinnError("ERR_SPINN_UNREACHABLE", "a cluster is reached over ZeroMQ, and the package zeromq is not installed", {
      cause,
      hint: "npm install zeromq@6",
    });
  });
  const { curveServerKey } = security;
  const pair = curveServerKey === null ? undefined : zmq.curveKeyPair();
  const curve = pair === undefined ? {} : { curveServerKey, curvePublicKey: pair.publicKey, curveSecretKey: pair.secretKey };
  const classes = { dealer: zmq.Dealer, router: zmq.Router, subscriber: zmq.Subscriber, publisher: zmq.Publisher };
  return (plan) => {
    const { kind, addresses, identity, lingerMs = 0 } = plan;
    const [sends, receives] = [kind !== "subscriber", kind !== "publisher"];
    // No limits in the library: it would drop in silence.
    const limits = { ...(sends ? { sendHighWaterMark: 0 } : {}), ...(receives ? { receiveHighWaterMark: 0 } : {}) };
    const name = identity === undefined ? {} : { routingId: identity };
    const socket = new classes[kind]({ linger: lingerMs, ...limits, ...name, ...HEARTBEATS, ...curve });
    let closed = false;
    let sending = false;
    let unsent: (readonly Frame[])[] = [];
    let waiting = 0;
    const fail = (error: unknown): void => {
      if (!closed) plan.error(error instanceof Error ? error : new Error(String(error)));
    };
    const { connected } = plan;
    if (connected !== undefined) {
      socket.events.on("handshake", () => closed || connected(true));
      socket.events.on("disconnect", () => closed || connected(false));
    }
    socket.subscribe?.();
    for (const address of addresses) socket.connect(address);
    const receive = async (): Promise<void> => {
      // Not by iterating: that is another promise, and another turn, for each message.
      while (!closed) plan.message(await socket.receive!());
    };
    // One send at a time: a second one before the first has settled is refused with EBUSY.
    const flush = async (): Promise<void> => {
      sending = true;
      while (unsent.length > 0) {
        const batch = unsent;
        unsent = [];
        for (const frames of batch) {
          if (closed && lingerMs === 0) return;
          await socket.send(frames);
          waiting -= 1;
        }
      }
      sending = false;
      if (closed) socket.close();
    };
    if (receives) receive().catch(fail);
    return {
      send(frames) {
        if (waiting >= MAX_UNSENT) {
          throw new SpinnError("ERR_SPINN_REFUSED", `${MAX_UNSENT} messages wait for ${addresses.join(", ")} to take them`, {
            hint: "is the controller running?",
          });
        }
        waiting += 1;
        unsent.push(frames);
        if (!sending) flush().catch(fail);
      },
      close() {
        if (closed) return;
        closed = true;
        // What is being sent closes the socket behind it, where it may linger.
        if (lingerMs === 0 || !sending) socket.close();
      },
    };
  };
}

async function loadZmq(): Promise<Zmq> {
  // The name in a variable: the package need not be there when this one is compiled.
  const name = "zeromq";
  return (await import(name)) as Zmq;
}
