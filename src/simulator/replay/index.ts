export { type Capture, type CapturedDatagram, type Endpoint, readCapture } from "./capture.js";
export { MAY_DIFFER } from "./may-differ.js";
export { type Difference, type ReplayOptions, type ReplayReport, replaySession } from "./replay.js";
export { type Exchange, type Session, sessionOf, type TargetKind } from "./session.js";
