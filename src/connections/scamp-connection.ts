import { SCP_PORT } from "../wire/sdp.js";
import { SCPRequestPipeLine, type SCPRequestPipeLineOptions } from "./scp-request-pipe-line.js";
import { SDPConnection } from "./sdp-connection.js";
import { UDPConnection, type UDPConnectionOptions } from "./udp-connection.js";

export interface SCAMPConnectionOptions extends SCPRequestPipeLineOptions {
  /** Name or IPv4 address of an Ethernet chip. */
  readonly host: string;
  /** UDP port. Default 17893. */
  readonly port?: number | undefined;
  /** See `UDPConnectionOptions`. */
  readonly localHost?: string | undefined;
  readonly receiveBufferBytes?: number | undefined;
}

/**
 * A conversation with SC&MP on one Ethernet chip: a connected socket, a request pipeline, and the SDP messages that cores send to this
 * socket. The window is found automatically (at most 8) unless `nChannels` says otherwise.
 */
export class SCAMPConnection {
  readonly udp: UDPConnection;
  readonly pipeline: SCPRequestPipeLine;
  readonly sdp: SDPConnection;

  private constructor(udp: UDPConnection, options: SCPRequestPipeLineOptions) {
    this.udp = udp;
    this.pipeline = new SCPRequestPipeLine(udp, { nChannels: null, ...options });
    this.sdp = new SDPConnection(udp);
  }

  /** Errors as {@link UDPConnection.open}. Sends nothing yet. */
  static async open(options: SCAMPConnectionOptions): Promise<SCAMPConnection> {
    const udp = await UDPConnection.open(udpOptions(options));
    // The signal ends the opening, not the conversation: whoever waits for a reply gives its own.
    const { signal: _, ...pipeline } = options;
    return new SCAMPConnection(udp, pipeline);
  }

  /** `host:port` of the board. */
  get remote(): string {
    return this.udp.remote;
  }

  /** Ends what is in flight with `ERR_SPINN_CLOSED` and closes the socket. */
  async close(): Promise<void> {
    this.pipeline.close();
    await this.udp.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}

/** The socket's part of a connection's options. */
export function udpOptions(options: SCAMPConnectionOptions): UDPConnectionOptions {
  return {
    remoteHost: options.host,
    remotePort: options.port ?? SCP_PORT,
    localHost: options.localHost,
    receiveBufferBytes: options.receiveBufferBytes,
    signal: options.signal,
  };
}
