import type { DatagramChannel } from "./datagram-channel.js";
import { openChannel, type SCAMPConnectionOptions } from "./scamp-connection.js";
import { SCPRequestPipeLine, type SCPRequestPipeLineOptions } from "./scp-request-pipe-line.js";

/**
 * A conversation with a board management processor. It does one thing at a time and its commands are slow, so the window is 1; the board
 * number of a frame travels as the request's core `p`, the chip is 0,0 (spinnaker_tools `bmp/bmp_net.c`).
 */
export class BMPConnection {
  readonly channel: DatagramChannel;
  readonly pipeline: SCPRequestPipeLine;

  private constructor(channel: DatagramChannel, options: SCPRequestPipeLineOptions) {
    this.channel = channel;
    this.pipeline = new SCPRequestPipeLine(channel, { ...options, nChannels: 1, intermediateChannelWaits: 0 });
  }

  /** Errors as `SCAMPConnection.open`. Sends nothing yet. */
  static async open(options: SCAMPConnectionOptions): Promise<BMPConnection> {
    const channel = await openChannel(options);
    const { signal: _, ...pipeline } = options;
    return new BMPConnection(channel, pipeline);
  }

  /** `host:port` of the BMP. */
  get remote(): string {
    return this.channel.remote;
  }

  async close(): Promise<void> {
    this.pipeline.close();
    await this.channel.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}
