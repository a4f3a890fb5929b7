export type { DatagramPort, DatagramSource, Pacer } from "./datagram-port.js";
export * from "./event-sender.js";
export * from "./frame-buffer.js";
export { type FrameFileHeader, FrameFileReader, FrameFileWriter } from "./frame-file.js";
export type { Holdable } from "./hold.js";
export { IMDClient, type IMDClientStats } from "./imd-client.js";
export type { IMDClientOptions } from "./imd-client-options.js";
export {
  createIMDFrame,
  encodeIMDFrame,
  IMD_BUFFER_SIZE_BYTES,
  type IMDBlock,
  type IMDEnergies,
  IMDFrame,
  IMDFrameBuffer,
  type IMDFrameBufferOptions,
  type IMDFrameLayout,
  imdFrameLayout,
} from "./imd-frame.js";
export * from "./imd-packet.js";
export { IMDProducer } from "./imd-producer.js";
export { IMDProducerV2 } from "./imd-producer-v2.js";
export { IMDProducerV3 } from "./imd-producer-v3.js";
export { type IMDBlockName, IMDServer, type IMDServerOptions } from "./imd-server.js";
export * from "./key-map.js";
export * from "./live-events.js";
export * from "./live-runs.js";
export * from "./live-tag.js";
export * from "./ndjson.js";
export * from "./notification.js";
export * from "./raster-plot.js";
export { RotatingFile, type RotatingFileOptions, rotatedFiles } from "./rotating-file.js";
export * from "./terminal-raster.js";
export { type LiveInput, type LiveOutput, readToolChainDatabase, type ToolChainDatabase } from "./tool-chain-database.js";
export * from "./trajectory-summary.js";
