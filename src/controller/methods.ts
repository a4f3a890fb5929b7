import type { Method } from "./method.js";
import { APPLICATION_METHODS } from "./methods/applications.js";
import { MACHINE_METHODS } from "./methods/machine.js";
import { MEMORY_METHODS } from "./methods/memory.js";
import { PACKET_METHODS } from "./methods/packets.js";
import { POWER_METHODS } from "./methods/power.js";

/** Everything the controller can do with a board, by name. Names, parameters and results are the same through every door. */
export const METHODS: Readonly<Record<string, Method>> = {
  ...MACHINE_METHODS,
  ...MEMORY_METHODS,
  ...APPLICATION_METHODS,
  ...PACKET_METHODS,
  ...POWER_METHODS,
};
