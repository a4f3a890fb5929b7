import { checkInteger, SpinnError } from "../errors.js";

/** Largest application id. Source: spinnaker_tools `scamp/scamp-app.c`, one byte. */
export const MAX_APP_ID = 255;

/** An application id, 1..255; 0 is the system's own. Throws `ERR_SPINN_ARGUMENT`. */
export function checkAppId(appId: number): number {
  if (appId === 0) {
    throw new SpinnError("ERR_SPINN_ARGUMENT", "application id 0 is the system's own", {
      hint: "choose one from 1 to 255; 30 is customary",
    });
  }
  return checkInteger("application id", appId, 1, MAX_APP_ID);
}
