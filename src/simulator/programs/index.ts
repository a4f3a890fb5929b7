export { crasher } from "./crasher.js";
export { hello } from "./hello.js";
export { idle } from "./idle.js";
export { type LiveEventsProgramOptions, liveEvents } from "./live-events.js";
export { memoryFiller } from "./memory-filler.js";
export { packetRing } from "./packet-ring.js";
export { sdpEcho } from "./sdp-echo.js";
