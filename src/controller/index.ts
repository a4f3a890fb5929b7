export type { BoardLinkOptions } from "./board-link.js";
export { Controller, type ControllerOptions, type Door } from "./controller.js";
export type { Method, MethodContext } from "./method.js";
export { METHODS } from "./methods.js";
export type { Parameter, Parameters } from "./parameter.js";
export type { PlainError } from "./plain.js";
export { RemoteController, type RemoteOptions } from "./remote-controller.js";
export { Run, type RunReport, Runs, type RunsOptions, type RunValues, type RunWork } from "./runs.js";
export { CONTROLLER_PORT, type ServedController, type ServeOptions, serveController } from "./serve.js";
