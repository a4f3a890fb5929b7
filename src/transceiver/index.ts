/** Every command of SC&MP and of the BMP, for `call`: `await spinn.call(commands.getChipInfo({ x: 0, y: 0 }))`. */

export type {
  BmpSerial,
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
export * as commands from "../commands/index.js";
export type { AllocateOptions, Wanted } from "./allocation.js";
export type { Application, ApplicationOptions } from "./application.js";
export { BMPTransceiver, type BmpOptions, type PowerOnOptions } from "./bmp-transceiver.js";
export type { BootOptions, BootResult } from "./boot.js";
export { type BootOverrides, bootImageVersion, checkBootImage } from "./boot-image.js";
export type { CallOptions, LongCallOptions, Progress } from "./call-options.js";
export type { Chips, ChipValue, ClockDrift } from "./chips.js";
export type { ConnectOptions } from "./connect.js";
export { type CoreStatus, describeCore } from "./core-status.js";
export type { Cores, CoreValue, StatusOptions } from "./cores.js";
export type { DiscoverOptions, Discovery, Place } from "./discover.js";
export type { Heap, HeapBlock, HeapName } from "./heap.js";
export type { CoreText, IobufOptions } from "./iobuf.js";
export type { TagOptions } from "./ip-tags.js";
export type { SomeChips } from "./known-machine.js";
export type { LoadOptions, LoadResult } from "./load.js";
export type { Program } from "./load-many.js";
export type { Latency, LossSeen, Measurement, MeasureOptions, Throughput } from "./measure.js";
export type { MemoryIO, MemoryIOOptions } from "./memory-io.js";
export type { MemoryRange } from "./memory-range.js";
export type { ReadStreamOptions, WriteStreamOptions } from "./memory-stream.js";
export type { P2PTable } from "./p2p-table.js";
export {
  type ClearCountersOptions,
  ROUTER_COUNTER_NAMES,
  type RouterCounter,
  type RouterCounterName,
  type RouterDiagnostics,
  type WriteFilterOptions,
} from "./router-diagnostics.js";
export type { ChipCounters, Routers, RoutingTable } from "./routers.js";
export type { FixedRoute, LoadRoutesOptions } from "./routes.js";
export type { TransferOptions, TransferResult } from "./save-memory.js";
export type { MemoryPiece } from "./scatter.js";
export type { SignalOptions } from "./signals.js";
export type { WaitOptions } from "./states.js";
export { Transceiver, type TransceiverOptions } from "./transceiver.js";
