export * from "./boot.js";
export * from "./command.js";
export * from "./eieio.js";
export * from "./eieio-command.js";
export type { ScpRequest } from "./request.js";
export * from "./return-code.js";
export * from "./scp.js";
export * from "./sdp.js";
