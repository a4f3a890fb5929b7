export { ClusterClient, type ClusterClientOptions, type ExecuteOptions, type ScheduleOptions } from "./client.js";
export { type ClusterConnection, type ClusterPort, connectionFilePath, parseConnection, readConnectionFile } from "./connection-file.js";
export { type ClusterMessage, type Json, MessageCodec, type MessageHeader } from "./message.js";
export type { ClusterSocket, OpenSocket } from "./socket.js";
export { ClusterTask, type TaskOutput, type TaskReply } from "./task.js";
