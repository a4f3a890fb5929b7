import { BOOT_HEADER_SIZE, BOOT_PORT, type BootMessage, decodeBoot, encodeBoot } from "../wire/boot.js";
import type { Listenable } from "./connection-listener.js";
import type { DatagramChannel, OpenChannel } from "./datagram-channel.js";
import { openUdp } from "./udp-connection.js";

export interface BootConnectionOptions {
  /** Name or IPv4 address of the board. */
  readonly host: string;
  /** UDP port of the boot ROM. Default 54321. */
  readonly port?: number | undefined;
  readonly localHost?: string | undefined;
  /** How datagrams get there. Default `openUdp`: this computer's own network. */
  readonly open?: OpenChannel | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** Messages to (and the hello of) a boot ROM. The ROM acknowledges nothing: pacing and repetition are the caller's. */
export class BootConnection implements Listenable<BootMessage> {
  readonly channel: DatagramChannel;

  private constructor(channel: DatagramChannel) {
    this.channel = channel;
  }

  /** Errors as `UDPConnection.open`, or those of the way that `open` takes. */
  static async open(options: BootConnectionOptions): Promise<BootConnection> {
    const { host, port = BOOT_PORT, localHost, open = openUdp, signal } = options;
    return new BootConnection(await open(host, port, { localHost, signal }));
  }

  get remote(): string {
    return this.channel.remote;
  }

  send(message: BootMessage): void {
    this.channel.send(encodeBoot(message));
  }

  onMessage(receiver: (message: BootMessage) => void): () => void {
    return this.channel.subscribe({
      onDatagram: (datagram) => {
        if (datagram.length >= BOOT_HEADER_SIZE) receiver(decodeBoot(datagram));
      },
    });
  }

  close(): Promise<void> {
    return this.channel.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}
