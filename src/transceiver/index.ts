export type {
  BmpSerial,
  BmpTagEntry,
  BmpUptime,
  BmpVersion,
  BoardStatus,
  IpBlock,
  LedAction,
  LedActions,
  ResetAction,
  ReverseTag,
  SdramSpace,
  TagDestination,
  TagEntry,
  TagPool,
  Target,
  VersionInfo,
} from "../commands/index.js";
export type { AllocateOptions } from "./allocation.js";
export { BMPTransceiver, type BmpOptions, type PowerOnOptions } from "./bmp-transceiver.js";
export type { BootOptions, BootResult } from "./boot.js";
export { type BootOverrides, bootImageVersion, checkBootImage } from "./boot-image.js";
export type { CallOptions, LongCallOptions, Progress } from "./call-options.js";
export type { ConnectOptions } from "./connect.js";
export { type CoreStatus, describeCore } from "./core-status.js";
export type { DiscoverOptions, Discovery, Place } from "./discover.js";
export type { Heap, HeapBlock, HeapName } from "./heap.js";
export type { CoreText, IobufOptions } from "./iobuf.js";
export type { TagOptions } from "./ip-tags.js";
export type { LoadOptions, LoadResult } from "./load.js";
export type { Latency, LossSeen, Measurement, MeasureOptions, Throughput } from "./measure.js";
export type { MemoryRange } from "./memory-range.js";
export type { ReadStreamOptions, WriteStreamOptions } from "./memory-stream.js";
export { ROUTER_COUNTER_NAMES, type RouterCounterName, type RouterDiagnostics } from "./router-diagnostics.js";
export type { FixedRoute, LoadRoutesOptions } from "./routes.js";
export type { TransferOptions, TransferResult } from "./save-memory.js";
export type { MemoryPiece } from "./scatter.js";
export type { SignalOptions } from "./signals.js";
export type { WaitOptions } from "./states.js";
export { Transceiver, type TransceiverOptions } from "./transceiver.js";
