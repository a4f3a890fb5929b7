import { Command } from "../../wire/index.js";
import type { ScpHandler } from "../scp-call.js";
import { allocate } from "./allocation.js";
import { applicationCopyRun, applicationRun, applicationStart, count, signal, synchronise } from "./application.js";
import { ipTag } from "./ip-tag.js";
import { floodData, nearestNeighbour } from "./nearest-neighbour.js";
import { router } from "./router.js";
import { serialRom } from "./serial-rom.js";

/** The monitor's commands beyond those that every request path knows. */
export const monitorCommands: ReadonlyMap<number, ScpHandler> = new Map<number, ScpHandler>([
  [Command.COUNT, count],
  [Command.AR, applicationRun],
  [Command.NNP, nearestNeighbour],
  [Command.APP_COPY_RUN, applicationCopyRun],
  [Command.SIG, signal],
  [Command.FFD, floodData],
  [Command.AS, applicationStart],
  [Command.IPTAG, ipTag],
  [Command.SROM, serialRom],
  [Command.ALLOC, allocate],
  [Command.RTR, router],
  [Command.SYNC, synchronise],
]);
