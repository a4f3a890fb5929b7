import { createSocket } from "node:dgram";
import type { DatagramPort, DatagramSource } from "../../../src/services/stream/index.js";

/** A bare socket as a port: what a board's connection will be in earnest. */
export interface UdpPort extends DatagramPort, AsyncDisposable {
  readonly port: number;
  readonly address: string;
  /** Resolves with the next datagram that `accept` takes. */
  next(accept?: (datagram: Uint8Array) => boolean): Promise<{ datagram: Uint8Array; from: DatagramSource }>;
}

export async function udpPort(address = "127.0.0.1", port = 0): Promise<UdpPort> {
  const socket = createSocket("udp4");
  let closed: Promise<void> | undefined;
  await new Promise<void>((resolve, reject) => {
    socket.once("error", reject);
    socket.bind(port, address, resolve);
  });
  const own: UdpPort = {
    port: socket.address().port,
    address,
    onMessage: (listener) => {
      socket.on("message", listener);
      return () => socket.off("message", listener);
    },
    send: (datagram, to, host) =>
      new Promise((resolve, reject) => {
        socket.send(datagram, to, host, (error) => (error ? reject(error) : resolve()));
      }),
    close: () => {
      closed ??= new Promise((resolve) => socket.close(() => resolve()));
      return closed;
    },
    next: (accept = () => true) =>
      new Promise((resolve) => {
        const off = own.onMessage((datagram, from) => {
          if (!accept(datagram)) return;
          off();
          resolve({ datagram: Uint8Array.from(datagram), from: { ...from } });
        });
      }),
    [Symbol.asyncDispose]: () => own.close(),
  };
  return own;
}
