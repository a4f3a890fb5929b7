import { SCP_PORT } from "../wire/sdp.js";
import type { DatagramChannel, OpenChannel } from "./datagram-channel.js";
import { SCPRequestPipeLine, type SCPRequestPipeLineOptions } from "./scp-request-pipe-line.js";
import { SDPConnection } from "./sdp-connection.js";
import { openUdp } from "./udp-connection.js";

export interface SCAMPConnectionOptions extends SCPRequestPipeLineOptions {
  /** Name or IPv4 address of an Ethernet chip. */
  readonly host: string;
  /** UDP port. Default 17893. */
  readonly port?: number | undefined;
  /** See `UDPConnectionOptions`. */
  readonly localHost?: string | undefined;
  readonly receiveBufferBytes?: number | undefined;
  /** How datagrams get there. Default `openUdp`: this computer's own network. */
  readonly open?: OpenChannel | undefined;
}

/**
 * A conversation with SC&MP on one Ethernet chip: a channel, a request pipeline, and the SDP messages that cores send back through this
 * channel. The window is found automatically (at most 8) unless `nChannels` says otherwise.
 */
export class SCAMPConnection {
  readonly channel: DatagramChannel;
  readonly pipeline: SCPRequestPipeLine;
  readonly sdp: SDPConnection;

  private constructor(channel: DatagramChannel, options: SCPRequestPipeLineOptions) {
    this.channel = channel;
    this.pipeline = new SCPRequestPipeLine(channel, { nChannels: null, ...options });
    this.sdp = new SDPConnection(channel);
  }

  /** Errors as `UDPConnection.open`, or those of the way that `open` takes. Sends nothing yet. */
  static async open(options: SCAMPConnectionOptions): Promise<SCAMPConnection> {
    const channel = await openChannel(options);
    // The signal ends the opening, not the conversation: whoever waits for a reply gives its own.
    const { signal: _, ...pipeline } = options;
    return new SCAMPConnection(channel, pipeline);
  }

  /** `host:port` of the board. */
  get remote(): string {
    return this.channel.remote;
  }

  /** Ends what is in flight with `ERR_SPINN_CLOSED` and closes the channel. */
  async close(): Promise<void> {
    this.pipeline.close();
    await this.channel.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}

/** The channel that a connection's options ask for. */
export function openChannel(options: SCAMPConnectionOptions): Promise<DatagramChannel> {
  const { host, port = SCP_PORT, open = openUdp, localHost, receiveBufferBytes, signal } = options;
  return open(host, port, { localHost, receiveBufferBytes, signal });
}
