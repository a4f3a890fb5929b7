export { BMPConnection } from "./bmp-connection.js";
export { BootConnection, type BootConnectionOptions } from "./boot-connection.js";
export {
  ConnectionListener,
  type ConnectionListenerOptions,
  type Listenable,
  type ListenerCallback,
  type ListenerCounters,
} from "./connection-listener.js";
export type { DatagramChannel, DatagramListener, DatagramSender, OpenChannel, OpenChannelOptions } from "./datagram-channel.js";
export { EIEIOConnection, type EIEIOConnectionOptions } from "./eieio-connection.js";
export type { PipelineCounters } from "./pipeline-counters.js";
export { SCAMPConnection, type SCAMPConnectionOptions } from "./scamp-connection.js";
export { type SCPCallback, type SCPErrorCallback, SCPRequestPipeLine, type SCPRequestPipeLineOptions } from "./scp-request-pipe-line.js";
export { type OutgoingSdp, SDPConnection } from "./sdp-connection.js";
export { BOARD_WINDOW, MAX_WINDOW } from "./send-window.js";
export { TokenBucket } from "./token-bucket.js";
export { openUdp, UDPConnection, type UDPConnectionOptions, type UDPCounters } from "./udp-connection.js";
