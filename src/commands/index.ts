/**
 * Every command of SC&MP and of the BMP as a factory: arguments checked, one `ScpRequest` back. A docstring says whether the request may be
 * executed twice, and why, from the firmware's behaviour. Nothing here sends anything.
 */
export * from "./allocation.js";
export {
  type ApplicationStart,
  copyAndStartApplication,
  copyApplication,
  imageChecksum,
  startApplication,
  startApplicationAt,
} from "./application.js";
export * from "./bmp-flash.js";
export * from "./bmp-fpga.js";
export * from "./bmp-info.js";
export * from "./bmp-led.js";
export * from "./bmp-memory.js";
export * from "./bmp-power.js";
export { FRAME_BOARDS } from "./bmp-request.js";
export * from "./bmp-tag.js";
export * from "./bmp-version.js";
export * from "./core-map.js";
export * from "./count.js";
export * from "./flood-fill.js";
export * from "./info.js";
export { type LedAction, type LedActions, setLeds } from "./led.js";
export { readLink, writeLink } from "./link.js";
export * from "./memory.js";
export * from "./router.js";
export {
  countCoresByRegion,
  type SignalOptions,
  sendSignal,
  testCoresByRegion,
} from "./signal.js";
export * from "./srom.js";
export * from "./sync.js";
export {
  clearTag,
  getTagPool,
  getTags,
  newTag,
  type ReverseTag,
  setReverseTag,
  setTag,
  setTagTimeout,
  type TagDestination,
  type TagEntry,
  type TagPool,
} from "./tag.js";
export { ROOT_CHIP, type Target } from "./target.js";
export { getVersion, type VersionInfo } from "./version.js";
