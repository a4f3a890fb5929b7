import { randomUUID } from "node:crypto";
import { type DatagramChannel, type OpenChannel, openUdp } from "../connections/index.js";
import { SpinnError } from "../errors.js";
import { type CallContext, describeTarget, type MethodDescription } from "../services/rpc/index.js";
import { BOOT_PORT, SCP_PORT } from "../wire/index.js";
import { type Access, accessOf, checkAccess, type Listener } from "./access.js";
import type { BoardLink } from "./board-link.js";
import { carrying } from "./carried-error.js";
import { plainError } from "./plain.js";

/** Channels of one connection: a machine of 24 boards with its BMP and boot ROM, and some to spare. */
const MAX_CHANNELS = 64;
/** Datagrams that wait to be fetched, per connection: as many as a socket's default buffer holds. The newest go when it is full. */
const MAX_WAITING = 1024;
/** Longest datagram passed on, bytes: an Ethernet frame's. No board takes or sends a longer one. */
const MAX_BYTES = 1472;
/** Most datagrams in one call. */
const MAX_SENT = 1024;
const MAX_WAIT_S = 30;

interface Channel {
  readonly udp: DatagramChannel;
  readonly listener: Listener;
}

/** Lets callers exchange datagrams with the controller's own machine, and with nobody else. */
export class DatagramPassage {
  readonly #board: BoardLink;
  readonly #allow: Access;
  readonly #open: OpenChannel;
  /** By key; bounded by the connections of the server, each has one. */
  readonly #ends = new Map<string, PassageEnd>();

  constructor(board: BoardLink, allow: Access) {
    this.#board = board;
    this.#allow = allow;
    this.#open = board.options.open ?? openUdp;
  }

  /** The target for one connection. What it has opened ends with the connection. */
  readonly target = (context: CallContext): object => {
    const { host, port = SCP_PORT, bootPort = BOOT_PORT, bmp } = this.#board.options;
    const end = new PassageEnd();
    const key = randomUUID();
    this.#ends.set(key, end);
    const methods: Record<string, readonly [MethodDescription, (...args: never[]) => unknown]> = {
      describe: [
        {
          doc: "The key of this connection, and where board and BMP are: {key, allow, host, port, boot_port, bmp: {host, port} or None, local: from where the board sees the controller, or None}.",
        },
        async () => ({
          key,
          allow: this.#allow,
          host,
          port,
          boot_port: bootPort,
          bmp: bmp === undefined ? null : { host: bmp.host, port: bmp.port ?? SCP_PORT },
          local: await this.#localAddress(context.signal),
        }),
      ],
      open: [
        {
          doc: "Opens a channel to a UDP port of the machine: SC&MP of one of its boards, the boot ROM, the BMP. Returns its number.",
          args: [
            { name: "host", type: "str" },
            { name: "port", type: "int" },
          ],
        },
        (to: unknown, toPort: unknown) => this.#openChannel(end, to, toPort, context.signal),
      ],
      send: [
        {
          doc: "Sends datagrams: a list of [channel, bytes]. What cannot be sent is told with receive.",
          args: [{ name: "datagrams", type: "list" }],
        },
        (datagrams: unknown) => this.#send(end, datagrams),
      ],
      close: [{ doc: "Closes a channel.", args: [{ name: "channel", type: "int" }] }, (channel: unknown) => end.close(channel)],
      receive: [
        {
          doc:
            "What has come for a connection's channels since it was last asked, or comes within wait seconds (30 at most): a list of [channel, bytes]; " +
            "instead of bytes a dict for an error (closed is true when the channel is). To be called from another connection than send.",
          args: [
            { name: "key", type: "str" },
            { name: "wait", type: "float", default: 10 },
          ],
          passContext: true,
        },
        ({ signal }: CallContext, of: unknown, wait: unknown) => this.#receive(of, wait, signal),
      ],
    };
    const target = Object.fromEntries(Object.entries(methods).map(([name, [, call]]) => [name, carrying(call)]));
    const described = describeTarget(target, {
      doc: "Datagrams to and from the machine of this controller: by these, spinn --via works as if the board were local.",
      methods: Object.fromEntries(Object.entries(methods).map(([name, [description]]) => [name, description])),
    });
    return Object.assign(described, {
      [Symbol.asyncDispose]: async () => {
        this.#ends.delete(key);
        await end.dispose();
      },
    });
  };

  /** Nothing is sent: the way is looked up. */
  async #localAddress(signal: AbortSignal): Promise<string | null> {
    const { host, port = SCP_PORT } = this.#board.options;
    try {
      const channel = await this.#open(host, port, { signal });
      const { local } = channel;
      await channel.close();
      return local ?? null;
    } catch (error) {
      if (error instanceof SpinnError) return null;
      throw error;
    }
  }

  async #openChannel(end: PassageEnd, host: unknown, port: unknown, signal: AbortSignal): Promise<number> {
    if (typeof host !== "string" || host.length > 255 || !Number.isInteger(port)) {
      throw new SpinnError("ERR_SPINN_ARGUMENT", "open takes the name of a host and a UDP port");
    }
    const listener = await this.#listenerAt(host, port as number, signal);
    if (listener === "boot") checkAccess(this.#allow, "disturb", "what a boot ROM takes");
    return end.add(listener, () => this.#open(host, port as number, { signal }));
  }

  /** What is at an address of the machine; `ERR_SPINN_REFUSED` for any other. */
  async #listenerAt(host: string, port: number, signal: AbortSignal): Promise<Listener> {
    const { host: board, port: boardPort = SCP_PORT, bootPort = BOOT_PORT, bmp } = this.#board.options;
    if (host === board && port === boardPort) return "board";
    if (host === board && port === bootPort) return "boot";
    if (host === bmp?.host && port === (bmp.port ?? SCP_PORT)) return "bmp";
    // The machine's other boards are those that the controller has reached itself, and that said they belong to it: what a chip's memory
    // says about addresses anybody can write.
    if (port === boardPort && (await this.#isOurs(`${host}:${port}`, signal))) return "board";
    throw new SpinnError("ERR_SPINN_REFUSED", `${host}:${port} does not belong to the machine of this controller (${board})`, {
      hint: "leave --host and --bmp out: with --via they are the controller's own",
    });
  }

  async #isOurs(remote: string, signal: AbortSignal): Promise<boolean> {
    try {
      const machine = await this.#board.machine();
      const isThere = (): boolean => machine.connections.some((one) => one.remote === remote);
      if (isThere()) return true;
      if (machine.machine !== undefined) return false;
      await machine.discover({ signal });
      return isThere();
    } catch (error) {
      // A machine that does not answer has no boards that are known to be its.
      if (error instanceof SpinnError) return false;
      throw error;
    }
  }

  #send(end: PassageEnd, datagrams: unknown): null {
    if (!Array.isArray(datagrams) || datagrams.length > MAX_SENT) {
      throw new SpinnError("ERR_SPINN_ARGUMENT", `send takes a list of [channel, bytes], ${MAX_SENT} at most`);
    }
    for (const pair of datagrams as unknown[]) {
      const [number, bytes] = (Array.isArray(pair) ? pair : []) as [unknown, unknown];
      if (!(bytes instanceof Uint8Array) || bytes.length > MAX_BYTES) {
        throw new SpinnError("ERR_SPINN_ARGUMENT", `a datagram is a pair [channel, bytes], of ${MAX_BYTES} bytes at most`);
      }
      // A channel that has been closed meanwhile takes nothing, as on any network.
      const channel = end.channels.get(number as number);
      if (channel !== undefined) this.#pass(end, number as number, channel, bytes);
    }
    return null;
  }

  #pass(end: PassageEnd, number: number, { udp, listener }: Channel, bytes: Uint8Array): void {
    const access = accessOf(bytes, listener);
    try {
      checkAccess(this.#allow, access, "a request");
    } catch (error) {
      end.tell(number, { ...plainError(error), closed: true });
      void end.close(number);
      return;
    }
    udp.send(bytes);
    // Switched or booted, the machine that is there afterwards is not the one that the controller knows.
    if (access === "disturb" && listener !== "board") void this.#board.drop();
  }

  async #receive(key: unknown, wait: unknown, signal: AbortSignal): Promise<unknown> {
    if (typeof wait !== "number" || !(wait >= 0 && wait <= MAX_WAIT_S)) {
      throw new SpinnError("ERR_SPINN_ARGUMENT", `wait must be a time from 0 to ${MAX_WAIT_S} s`);
    }
    const end = this.#ends.get(String(key));
    if (end === undefined) throw new SpinnError("ERR_SPINN_CLOSED", "the connection that this key belongs to is gone");
    return end.take(wait * 1000, signal);
  }
}

/** The channels of one connection, and what has come for them. */
class PassageEnd {
  /** Bounded by `MAX_CHANNELS`. */
  readonly channels = new Map<number, Channel>();
  /** Bounded by `MAX_WAITING`, and one entry for the end of each channel. */
  #waiting: [number, unknown][] = [];
  #last = 0;
  #opening = 0;
  #isDisposed = false;
  #wake: (() => void) | undefined;

  async add(listener: Listener, open: () => Promise<DatagramChannel>): Promise<number> {
    if (this.channels.size + this.#opening >= MAX_CHANNELS) {
      throw new SpinnError("ERR_SPINN_REFUSED", `this connection has ${MAX_CHANNELS} channels already`, { hint: "close some" });
    }
    this.#opening += 1;
    let udp: DatagramChannel;
    try {
      udp = await open();
    } finally {
      this.#opening -= 1;
    }
    if (this.#isDisposed) {
      await udp.close();
      throw new SpinnError("ERR_SPINN_CLOSED", "the connection is gone");
    }
    const number = ++this.#last;
    this.channels.set(number, { udp, listener });
    udp.subscribe({
      onDatagram: (datagram) => {
        if (this.#waiting.length < MAX_WAITING) this.tell(number, datagram);
      },
      onError: (error) => {
        if (this.#waiting.length < MAX_WAITING) this.tell(number, plainError(error));
      },
    });
    return number;
  }

  tell(number: number, what: unknown): void {
    this.#waiting.push([number, what]);
    // What comes in one turn of the event loop goes out together.
    if (this.#waiting.length === 1) setImmediate(() => this.#wake?.());
  }

  /** What waits, or comes within `ms`. */
  async take(ms: number, signal: AbortSignal): Promise<[number, unknown][]> {
    if (this.#wake !== undefined) throw new SpinnError("ERR_SPINN_ARGUMENT", "somebody else receives with this key");
    if (this.#waiting.length === 0 && !this.#isDisposed) {
      await new Promise<void>((resolve) => {
        const done = (): void => {
          clearTimeout(timer);
          signal.removeEventListener("abort", done);
          this.#wake = undefined;
          resolve();
        };
        const timer = setTimeout(done, ms);
        signal.addEventListener("abort", done);
        this.#wake = done;
      });
    }
    if (this.#isDisposed) throw new SpinnError("ERR_SPINN_CLOSED", "the connection that this key belongs to is gone");
    const taken = this.#waiting;
    this.#waiting = [];
    return taken;
  }

  async close(number: unknown): Promise<null> {
    const channel = this.channels.get(number as number);
    this.channels.delete(number as number);
    await channel?.udp.close();
    return null;
  }

  async dispose(): Promise<void> {
    this.#isDisposed = true;
    this.#wake?.();
    await Promise.all([...this.channels.keys()].map((number) => this.close(number)));
  }
}
