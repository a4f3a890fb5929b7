export { type Call, Keywords, kw } from "./apply-message.js";
export { type NumericArray, ShapedArray } from "./array-value.js";
export { type Arrival, AsyncResult, type Cancelled, type CancelOptions, type WaitOptions } from "./async-result.js";
export type { ExecuteOptions, Execution } from "./call.js";
export { Client, type ClientOptions, type ShutdownOptions } from "./client.js";
export {
  type ClusterConnection,
  type ClusterPort,
  type ConnectionFilePlace,
  connectionFilePath,
  type EngineConnection,
  type EnginePort,
  parseConnection,
  parseEngineConnection,
  readConnectionFile,
  readEngineFile,
} from "./connection-file.js";
export type { Dependency, Jobs } from "./dependency.js";
export type { Answer, DirectView, Shape, Shaped, ViewOptions } from "./direct-view.js";
export { Engine, type EngineOptions } from "./engine.js";
export type { EngineExecute, EngineMethod, EngineTask } from "./engine-request.js";
export type { EnginesListener, Targets } from "./engine-table.js";
export type { HubCondition, HubKey, HubQuery, HubRecord } from "./hub-record.js";
export type { JobsOrPlaces } from "./jobs.js";
export type { BalancedOptions, LoadBalancedView, StreamOptions } from "./load-balanced-view.js";
export { LocalCluster, type LocalClusterOptions } from "./local-cluster.js";
export { type ClusterMessage, type Frame, type Json, MessageCodec, type MessageHeader } from "./message.js";
export type { Metadata, TaskOutput } from "./metadata.js";
export type { OutputLine, OutputLog } from "./output-log.js";
export type { Sequence } from "./partition.js";
export type { RemoteCause } from "./remote-error.js";
export type { ClusterSocket, OpenSocket, SocketPlan } from "./socket.js";
export type { Outcome } from "./task.js";
