export { SpinnError, type SpinnErrorCode, type SpinnErrorDetails } from "./errors.js";
