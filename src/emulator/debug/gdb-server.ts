import { createServer, type Server, type Socket } from "node:net";
import { SpinnError } from "../../errors.js";
import type { ArmMachine } from "../arm-machine.js";
import { encodePacket, PacketReader } from "./gdb-packet.js";
import { GdbSession } from "./gdb-session.js";

export interface GdbServerOptions {
  /** TCP port; 0 takes a free one. Default 0. */
  readonly port?: number | undefined;
  /** Address to listen on. Whoever reaches it can change the machine's memory. Default 127.0.0.1. */
  readonly host?: string | undefined;
}

/** Bytes that may wait for a gdb that does not read; beyond it is cut off. */
const MAX_UNSENT = 1 << 20;

/**
 * Lets gdb attach to the cores of a machine: `gdb-multiarch app.elf`, then `target remote :PORT`. One at a time; with none attached it costs
 * nothing. The machine stands from the moment one attaches until it says `continue`, and runs on when it goes.
 */
export class GdbServer implements AsyncDisposable {
  readonly #machine: ArmMachine;
  readonly #server: Server;
  #socket: Socket | undefined;
  #session: GdbSession | undefined;
  #closing: Promise<void> | undefined;

  private constructor(machine: ArmMachine) {
    this.#machine = machine;
    this.#server = createServer((socket) => this.#serve(socket));
  }

  /** Throws `ERR_SPINN_ADDRESS_IN_USE` for a taken port. */
  static async listen(machine: ArmMachine, options: GdbServerOptions = {}): Promise<GdbServer> {
    const server = new GdbServer(machine);
    const { host = "127.0.0.1", port = 0 } = options;
    await new Promise<void>((resolve, reject) => {
      server.#server.once("error", (cause: NodeJS.ErrnoException) => {
        const code = cause.code === "EADDRINUSE" ? "ERR_SPINN_ADDRESS_IN_USE" : "ERR_SPINN_ARGUMENT";
        const hint = "choose another port, or 0 for any free one";
        reject(new SpinnError(code, `gdb cannot be served on ${host}:${port}: ${cause.message}`, { hint, cause }));
      });
      server.#server.listen(port, host, resolve);
    });
    return server;
  }

  get port(): number {
    return (this.#server.address() as { readonly port: number }).port;
  }

  /** Is a gdb attached? */
  get isAttached(): boolean {
    return this.#socket !== undefined;
  }

  close(): Promise<void> {
    this.#closing ??= new Promise((resolve) => {
      this.#server.close(() => resolve());
      this.#session?.end();
      this.#socket?.destroySoon();
    });
    return this.#closing;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  #serve(socket: Socket): void {
    if (this.#socket !== undefined) {
      socket.destroy();
      return;
    }
    this.#socket = socket;
    socket.setNoDelay(true);
    socket.setEncoding("latin1");
    let acknowledges = true;
    let last = "";
    const write = (bytes: string): void => {
      if (socket.writableLength > MAX_UNSENT) socket.destroy();
      else socket.write(bytes, "latin1");
    };
    const session = new GdbSession(this.#machine, (content) => {
      last = encodePacket(content);
      write(last);
    });
    this.#session = session;
    const reader = new PacketReader();
    socket.on("data", (bytes: string) => {
      for (const event of reader.feed(bytes)) {
        if (event.kind === "interrupt") session.interrupt();
        else if (event.kind === "again") write(last);
        else if (event.kind === "overlong") socket.destroy();
        else if (event.kind !== "packet") {
          if (acknowledges) write("-");
        } else {
          if (acknowledges) write("+");
          if (event.content === "QStartNoAckMode") {
            acknowledges = false;
            write(encodePacket("OK"));
          } else if (!session.receive(event.content)) socket.end();
        }
      }
    });
    socket.on("error", () => undefined);
    socket.on("close", () => {
      this.#socket = undefined;
      this.#session = undefined;
      session.close();
    });
  }
}
