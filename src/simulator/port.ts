import { createSocket, type Socket } from "node:dgram";
import { SpinnError } from "../errors.js";

/** A datagram socket of the simulated machine. Sending never throws and never fails anybody: what cannot leave is counted. */
export class Port {
  readonly address: string;
  readonly port: number;
  readonly #socket: Socket;
  readonly #sent: (error: Error | null) => void;
  #closed = false;

  private constructor(socket: Socket, onFailure: () => void) {
    const { address, port } = socket.address();
    this.address = address;
    this.port = port;
    this.#socket = socket;
    this.#sent = (error) => {
      if (error !== null) onFailure();
    };
  }

  /**
   * Binds. Throws `ERR_SPINN_ADDRESS_IN_USE` when somebody listens there, `ERR_SPINN_ARGUMENT` for an address this computer does not have.
   */
  static async open(
    host: string,
    port: number,
    onMessage: (bytes: Buffer, address: string, port: number) => void,
    onFailure: () => void,
  ): Promise<Port> {
    // Addresses are numbers always: the resolver would cost a turn of the event loop for each datagram.
    const socket = createSocket({ type: "udp4", lookup: (name, _options, callback) => callback(null, name, 4), recvBufferSize: 1 << 20 });
    await new Promise<void>((resolve, reject) => {
      const failed = (error: NodeJS.ErrnoException): void => {
        socket.close();
        reject(bindError(error, host, port));
      };
      socket.once("error", failed);
      socket.bind({ address: host, port, exclusive: true }, () => {
        socket.off("error", failed);
        // The hello of a boot ROM may go to a broadcast address.
        socket.setBroadcast(true);
        resolve();
      });
    });
    socket.on("error", onFailure);
    socket.on("message", (bytes, sender) => onMessage(bytes, sender.address, sender.port));
    return new Port(socket, onFailure);
  }

  send(bytes: Uint8Array, port: number, address: string): void {
    if (this.#closed || port === 0) return;
    this.#socket.send(bytes, 0, bytes.length, port, address, this.#sent);
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    await new Promise<void>((resolve) => this.#socket.close(() => resolve()));
  }
}

/** Tries to find ports that are free on every address of a machine. */
const ATTEMPTS = 5;

/** With any port wanted (0), one that was free on the first address may be taken on the next one: then the machine is opened anew. */
export async function onFreePorts<T>(port: number | undefined, open: () => Promise<T>): Promise<T> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await open();
    } catch (error) {
      const isTaken = error instanceof SpinnError && error.code === "ERR_SPINN_ADDRESS_IN_USE";
      if (!isTaken || port !== 0 || attempt === ATTEMPTS) throw error;
    }
  }
}

/** The address `steps` after a dotted IPv4 address. Throws `ERR_SPINN_ARGUMENT` for what is none. */
export function addressAfter(host: string, steps: number): string {
  const parts = /^(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})$/.exec(host)?.slice(1).map(Number);
  if (parts === undefined || parts.some((part) => part > 255)) {
    throw new SpinnError("ERR_SPINN_ARGUMENT", `"${host}" is no IPv4 address in numbers`, { hint: "e.g. 127.0.0.1" });
  }
  const value = parts.reduce((sum, part) => sum * 256 + part, 0) + steps;
  return [24, 16, 8, 0].map((shift) => Math.floor(value / 2 ** shift) % 256).join(".");
}

function bindError(error: NodeJS.ErrnoException, host: string, port: number): SpinnError {
  if (error.code === "EADDRINUSE") {
    return new SpinnError("ERR_SPINN_ADDRESS_IN_USE", `UDP port ${port} of ${host} is taken`, {
      hint: "another simulated machine may be running: end it, or choose another host address",
      cause: error,
    });
  }
  return new SpinnError("ERR_SPINN_ARGUMENT", `cannot listen on ${host}, UDP port ${port}: ${error.message}`, {
    hint: "simulated boards live on loopback addresses, 127.0.0.1 and those after it",
    cause: error,
  });
}
