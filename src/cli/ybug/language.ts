import type { Language } from "../shell/command.js";
import { APPLICATIONS } from "./applications.js";
import { HEAP } from "./heaps.js";
import { MACHINE } from "./machine.js";
import { MEMORY } from "./memory.js";
import { POWER } from "./power.js";
import { ROUTER } from "./router.js";
import { SERIAL_ROM } from "./serial-rom.js";
import type { YbugSession } from "./session.js";
import { TAGS } from "./tags.js";
import { WHOLE_MACHINE } from "./whole-machine.js";

/** The commands of ybug, those of its expert mode among them. Source: spinnaker_tools `tools/ybug`. */
export const YBUG: Language<YbugSession> = {
  name: "ybug",
  commands: {
    ...MACHINE,
    ...MEMORY,
    ...WHOLE_MACHINE,
    ...APPLICATIONS,
    ...ROUTER,
    ...HEAP,
    ...TAGS,
    ...POWER,
    ...SERIAL_ROM,
  },
  leftOut: {},
};
