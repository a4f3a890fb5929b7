import { decodeSdp } from "../wire/index.js";
import type { Core } from "./core.js";

/** Hands a message to the program of a core; `false` when nobody is there to take it. */
export function deliverSdp(core: Core, bytes: Uint8Array): boolean {
  const { program } = core;
  if (program?.onSdp === undefined) return false;
  program.onSdp(decodeSdp(bytes.slice()));
  return true;
}
