import { CoreState, isLink, NO_ROUTE, SPIN3_CHIPS, SPIN5_CHIPS } from "../../machine/index.js";
import { ReturnCode } from "../../wire/index.js";
import { signalChip, startApplication } from "../applications.js";
import type { Chip } from "../chip.js";
import { inRegion } from "../flood-fill.js";
import type { ScpAnswer, ScpCall } from "../scp-call.js";
import { word } from "../scp-call.js";

/** Time the firmware gives the other chips to answer a count, ms. */
const COUNT_MS = 10;

/** AR: starts the image in the load buffer. arg1 = app_id[31:24], flags[23:18], core mask[17:0]. */
export function applicationRun(call: ScpCall): ScpAnswer {
  if (call.arg1 & 1) return ReturnCode.ARG;
  startApplication(call.system, call.chip, call.arg1, call.chip.sv("sdram_sys"));
  return ReturnCode.OK;
}

/** AS: starts the image at arg1; arg2 as arg1 of AR. */
export function applicationStart(call: ScpCall): ScpAnswer {
  startApplication(call.system, call.chip, call.arg2, call.arg1);
  return ReturnCode.OK;
}

/** APP_COPY_RUN: takes the image from a neighbour's load buffer. arg1 = checksum[31:3], link[2:0]; arg2 bytes; arg3 as arg1 of AR. */
export function applicationCopyRun(call: ScpCall): ScpAnswer {
  if (!call.system.firmware.countsBoards) return ReturnCode.CMD;
  const { chip, arg1, arg2: length, arg3: order } = call;
  const link = arg1 & 7;
  if (order & 1 || !isLink(link) || length % 4 !== 0) return ReturnCode.ARG;
  const neighbour = call.system.neighbour(chip, link);
  if (neighbour === undefined || neighbour.dead) return ReturnCode.TIMEOUT;
  const buffer = chip.sv("sdram_sys");
  const image = new Uint8Array(Math.min(length, 0x800000));
  neighbour.memory.copyOut(buffer, image, 0, image.length);
  chip.memory.copyIn(buffer, image, 0, image.length);
  let sum = 0;
  for (let at = 0; at < image.length; at += 4) sum = (sum + word(image, at)) >>> 0;
  const wanted = arg1 >>> 3;
  if (wanted !== 0 && wanted !== (sum & 0x1fffffff)) {
    call.code = ReturnCode.SUM;
    return call.words(sum);
  }
  startApplication(call.system, chip, order, buffer);
  return ReturnCode.OK;
}

/**
 * COUNT: cores of one application in one state, on the chips of the board whose Ethernet chip is asked; of a board that lies across the edge of
 * a torus, on those before the edge only. Source: spinnaker_tools `scamp/scamp-cmd.c` (cmd_count).
 */
export function count(call: ScpCall): ScpAnswer {
  const { system, chip, arg1: appId, arg2: state } = call;
  if (!system.firmware.countsBoards) return ReturnCode.CMD;
  if (appId > 255 || state > CoreState.IDLE) return ReturnCode.ARG;
  if (system.counting.has(chip)) return ReturnCode.P2P_BUSY;
  system.counting.add(chip);
  let total = 0;
  let missing = false;
  const { geometry } = system.network;
  for (const at of geometry.board === "spin3" ? SPIN3_CHIPS : SPIN5_CHIPS) {
    // The firmware adds without wrapping round: behind the edge of a torus it asks for chips that no table knows.
    const [x, y] = [chip.x + at.x, chip.y + at.y];
    const target = system.chip(x, y);
    if (target === undefined || (target !== chip && chip.router.p2p.route(x, y) >= NO_ROUTE)) continue;
    // It was asked; it may know no way back.
    if (target.dead || !system.reaches(chip, target) || target.router.p2p.route(chip.x, chip.y) === NO_ROUTE) missing = true;
    else total += countCores(target, state, (id) => id === appId);
  }
  system.clock.after(COUNT_MS * Math.min(1, system.timeScale), () => {
    system.counting.delete(chip);
    if (missing) call.code = ReturnCode.P2P_NOREPLY;
    call.finish(missing ? call.words(total) : call.words(total, call.arg2, call.arg3), false);
  });
  return undefined;
}

/** SIG: arg1 type, arg2 signal[19:16], app mask[15:8], app id[7:0]. */
export function signal(call: ScpCall): ScpAnswer {
  const { system, chip, arg1: type, arg2: order } = call;
  if (type === 0 && chip !== system.root) return ReturnCode.ARG;
  if (type === 1) return system.firmware.countsBoards ? ReturnCode.ARG : pointToPoint(call);
  if (type > 2) return ReturnCode.ARG;
  for (const target of system.chips) if (!target.dead) signalChip(system, target, order);
  return ReturnCode.OK;
}

/** SYNC: the beacons that measure clock drift; nothing of them is seen from outside. */
export function synchronise(call: ScpCall): ScpAnswer {
  return call.system.firmware.countsBoards ? ReturnCode.OK : ReturnCode.CMD;
}

/** SIG type 1, up to 3.4.1: data = level[27:26], op[23:22], mode[21:20], state[19:16]; arg3 = which parts of the level. */
function pointToPoint(call: ScpCall): ScpAnswer {
  const { system, chip, arg2: order, arg3: parts } = call;
  if ((parts & 0xffff) === 0) return ReturnCode.ARG;
  const region = ((chip.x << 24) | ((chip.y & 0xfc) << 16) | (((order >>> 26) & 3) << 16) | (parts & 0xffff)) >>> 0;
  const chips = system.chips.filter((target) => !target.dead && inRegion(target, region));
  if (chips.length === 0) return ReturnCode.ROUTE;
  const [op, mode, state] = [(order >>> 22) & 3, (order >>> 20) & 3, (order >>> 16) & 15];
  const [mask, id] = [(order >>> 8) & 0xff, order & 0xff];
  const concerns = (appId: number): boolean => (appId & mask) === id;
  if (op === 2) for (const target of chips) signalChip(system, target, order);
  else if (op !== 1) return ReturnCode.ARG;
  const hit = chips.map((target) => countCores(target, state, concerns));
  const total = hit.reduce((sum, some) => sum + some, 0);
  const all = chips.reduce((sum, target) => sum + target.cores.filter((core) => core.p !== 0 && concerns(core.appId)).length, 0);
  const result = mode === 2 ? total : ((mode === 0 ? total > 0 : total === all) ? 1 << 16 : 0) | chips.length;
  system.clock.after(COUNT_MS * Math.min(1, system.timeScale), () => call.finish(call.words(result), false));
  return undefined;
}

function countCores(chip: Chip, state: number, concerns: (appId: number) => boolean): number {
  // A chip nobody touched has idle cores of no application.
  if (!chip.touched) return concerns(0) && state === CoreState.IDLE ? chip.coreCount - 1 : 0;
  return chip.cores.filter((core) => core.p !== 0 && core.state === state && concerns(core.appId)).length;
}
