import { type SCAMPConnectionOptions, udpOptions } from "./scamp-connection.js";
import { SCPRequestPipeLine, type SCPRequestPipeLineOptions } from "./scp-request-pipe-line.js";
import { UDPConnection } from "./udp-connection.js";

/**
 * A conversation with a board management processor. It does one thing at a time and its commands are slow, so the window is 1; the board
 * number of a frame travels as the request's core `p`, the chip is 0,0 (spinnaker_tools `bmp/bmp_net.c`).
 */
export class BMPConnection {
  readonly udp: UDPConnection;
  readonly pipeline: SCPRequestPipeLine;

  private constructor(udp: UDPConnection, options: SCPRequestPipeLineOptions) {
    this.udp = udp;
    this.pipeline = new SCPRequestPipeLine(udp, { ...options, nChannels: 1, intermediateChannelWaits: 0 });
  }

  /** Errors as {@link UDPConnection.open}. Sends nothing yet. */
  static async open(options: SCAMPConnectionOptions): Promise<BMPConnection> {
    const udp = await UDPConnection.open(udpOptions(options));
    const { signal: _, ...pipeline } = options;
    return new BMPConnection(udp, pipeline);
  }

  /** `host:port` of the BMP. */
  get remote(): string {
    return this.udp.remote;
  }

  async close(): Promise<void> {
    this.pipeline.close();
    await this.udp.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}
