import { MAX_APP_ID } from "../machine/index.js";
import { parseInteger } from "./number.js";

/** What tools of this machine use when nobody says otherwise (ybug, SpiNNMan's examples). */
export const DEFAULT_APP_ID = 30;

/** `--app-id`, 1 to 255: 0 is the system's own. Throws `ERR_SPINN_ARGUMENT`. */
export const parseAppId = (text: string): number => parseInteger("--app-id", text, 1, MAX_APP_ID);
