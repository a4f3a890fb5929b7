import { BOOT_HEADER_SIZE, BOOT_PORT, type BootMessage, decodeBoot, encodeBoot } from "../wire/boot.js";
import type { Listenable } from "./connection-listener.js";
import { UDPConnection } from "./udp-connection.js";

export interface BootConnectionOptions {
  /** Name or IPv4 address of the board. */
  readonly host: string;
  /** UDP port of the boot ROM. Default 54321. */
  readonly port?: number | undefined;
  readonly localHost?: string | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** Messages to (and the hello of) a boot ROM. The ROM acknowledges nothing: pacing and repetition are the caller's. */
export class BootConnection implements Listenable<BootMessage> {
  readonly udp: UDPConnection;

  private constructor(udp: UDPConnection) {
    this.udp = udp;
  }

  /** Errors as {@link UDPConnection.open}. */
  static async open(options: BootConnectionOptions): Promise<BootConnection> {
    const { host, port = BOOT_PORT, localHost, signal } = options;
    return new BootConnection(await UDPConnection.open({ remoteHost: host, remotePort: port, localHost, signal }));
  }

  get remote(): string {
    return this.udp.remote;
  }

  send(message: BootMessage): void {
    this.udp.send(encodeBoot(message));
  }

  onMessage(receiver: (message: BootMessage) => void): () => void {
    return this.udp.subscribe({
      onDatagram: (datagram) => {
        if (datagram.length >= BOOT_HEADER_SIZE) receiver(decodeBoot(datagram));
      },
    });
  }

  close(): Promise<void> {
    return this.udp.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}
