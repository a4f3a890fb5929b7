import { createHash } from "node:crypto";
import { debuglog } from "node:util";
import { AplxOpcode, CoreState, Signal } from "../machine/index.js";
import { decodeSdp } from "../wire/index.js";
import { cleanUp, isClean, soil } from "./allocation.js";
import { type Chip, softwareVersion } from "./chip.js";
import type { Core } from "./core.js";
import type { CoreProgram, ProgramImage } from "./core-program.js";
import { DataAbort, type MemoryAccess } from "./memory.js";
import { ProgramContext } from "./program-context.js";
import { idle } from "./programs/idle.js";
import type { System } from "./system.js";

const log = debuglog("spinn");

const DATA_ABORT = 5;
const SOFTWARE_ERROR = 13;
/** Flag of a start command: stop in WAIT until START. */
const WAIT_FLAG = 1;
/** A load table longer than this is no load table. */
const MAX_TABLE = 64;
const MAX_IMAGE = 0x40000;
/** From the reset of a core to its main function, ms. */
const LOAD_MS = 1;

/** How AR, AS, APP_COPY_RUN and FFE name what to start: app_id[31:24], flags[23:18], core mask[17:0]. */
export function startApplication(system: System, chip: Chip, order: number, address: number): void {
  const appId = order >>> 24;
  const flags = (order >>> 18) & 0x3f;
  const cores = chip.cores.filter((core) => core.p !== 0 && (order >>> core.p) & 1);
  if (cores.length === 0) return;
  const { memory } = chip;
  const record = chip.appData(appId);
  if (memory.readByte(record) === 0) memory.writeByte(record + 3, cores[0]!.p);
  memory.writeByte(record, memory.readByte(record) + cores.length);
  memory.writeWord(record + 4, memory.readWord(record + 4) | cores.reduce((mask, core) => mask | (1 << core.p), 0));
  soil(chip, appId);
  // Where the boot stub of a core finds its image: words 4 and 5 of SysRAM.
  memory.writeWord(0xe5000010, address);
  memory.writeWord(0xe5000014, (flags << 8) | appId);
  const image = readImage(memory, address);
  const hash = createHash("sha256").update(image).digest("hex");
  for (const core of cores) {
    core.endProgram();
    core.initialise(CoreState.INIT, appId, "", chip.sv("unix_time"), softwareVersion(system.firmware));
    let program: CoreProgram;
    try {
      program = chooseProgram(system, { bytes: image, sha256: hash, appId, x: chip.x, y: chip.y, p: core.p });
    } catch (error) {
      log("no program for core %d: %s", core.p, error instanceof Error ? error.stack : String(error));
      core.crash(SOFTWARE_ERROR);
      continue;
    }
    const context = new ProgramContext(system, chip, core, appId, address, image, (flags & WAIT_FLAG) !== 0, program);
    core.program = program;
    const cancel = system.clock.after(LOAD_MS * Math.min(1, system.timeScale), () => load(system, chip, core, context));
    core.release = () => {
      cancel();
      context.end();
    };
  }
}

/** A signal for every core of a chip whose application it concerns: signal[19:16], app mask[15:8], app id[7:0]. */
export function signalChip(system: System, chip: Chip, order: number): void {
  const signal = (order >>> 16) & 15;
  const mask = (order >>> 8) & 0xff;
  const id = order & 0xff;
  const concerns = (appId: number): boolean => (appId & mask) === id;
  if (!chip.touched && !(signal === Signal.PWRDN && concerns(0))) return;
  for (const core of chip.cores) if (core.p !== 0 && concerns(core.appId)) signalCore(system, chip, core, signal);
  if (signal !== Signal.STOP) return;
  for (let appId = 1; appId < 256; appId += 1) if (concerns(appId) && !isClean(chip, appId)) cleanUp(chip, appId);
}

/** Hands a message to the program of a core; `false` when nobody is there to take it. */
export function deliverSdp(core: Core, bytes: Uint8Array): boolean {
  const { program } = core;
  if (program?.onSdp === undefined || (core.state === CoreState.WAIT && program.bare !== true)) return false;
  guard(core, () => program.onSdp?.(decodeSdp(bytes.slice())));
  return true;
}

/** Hands a multicast or fixed-route packet to the program of a core. */
export function deliverPacket(chip: Chip, p: number, key: number, payload: number | undefined, fixed: boolean): void {
  const core = chip.cores[p];
  const program = core?.program;
  if (core === undefined || program === undefined) return;
  guard(core, () => (fixed ? program.onFixedRoute?.(key, payload) : program.onMulticast?.(key, payload)));
}

/** The bytes of an image in memory, as far as its load table reaches; none when there is no such table. */
export function readImage(memory: MemoryAccess, address: number): Uint8Array {
  let end = 0;
  for (let i = 0; i < MAX_TABLE; i += 1) {
    const at = address + 16 * i;
    let words: number[];
    try {
      words = [0, 4, 8, 12].map((offset) => memory.readWord(at + offset));
    } catch (error) {
      if (error instanceof DataAbort) return new Uint8Array();
      throw error;
    }
    const [opcode, , offset, bytes] = words as [number, number, number, number];
    if (opcode < AplxOpcode.COPY || opcode > AplxOpcode.EXECUTE) break;
    end = Math.max(end, 16 * (i + 2));
    if (opcode === AplxOpcode.RELATIVE_COPY) end = Math.max(end, 16 * i + offset + bytes);
  }
  if (end > MAX_IMAGE) return new Uint8Array();
  const image = new Uint8Array(end);
  memory.copyOut(address, image, 0, end);
  return image;
}

/** Runs what a program does; what it throws is its own run-time error. */
export function guard(core: Core, action: () => void): void {
  try {
    action();
  } catch (error) {
    log("program on core %d: %s", core.p, error instanceof Error ? error.stack : String(error));
    core.crash(error instanceof DataAbort ? DATA_ABORT : SOFTWARE_ERROR);
  }
}

/** What SARK does on a core that comes out of reset. */
function load(system: System, chip: Chip, core: Core, context: ProgramContext): void {
  const { program } = context;
  if (program.bare === true) {
    guard(core, () => program.start(context));
    context.run();
    return;
  }
  const name = program.name ?? "application";
  core.initialise(CoreState.WAIT, context.appId, name, chip.sv("unix_time"), softwareVersion(system.firmware));
  const enter = (): void => {
    core.pending = undefined;
    core.state = CoreState.SARK;
    guard(core, () => program.start(context));
    if (core.state === CoreState.SARK) core.state = CoreState.RUN;
    context.run();
  };
  if (context.wait) core.pending = enter;
  else enter();
}

function signalCore(system: System, chip: Chip, core: Core, signal: number): void {
  switch (signal) {
    case Signal.INIT:
    case Signal.STOP:
      core.endProgram();
      core.memory.clear();
      core.initialise(CoreState.IDLE, 0, "sark", chip.sv("unix_time"), softwareVersion(system.firmware));
      return;
    case Signal.PWRDN:
      core.endProgram();
      core.state = CoreState.PWRDN;
      return;
    default:
  }
  const program = core.program;
  if (program === undefined || core.hasCrashed) return;
  if (program.bare !== true) {
    if (signal === Signal.START) core.pending?.();
    else if (signal === Signal.SYNC0 && core.state === CoreState.SYNC0) core.state = CoreState.RUN;
    else if (signal === Signal.SYNC1 && core.state === CoreState.SYNC1) core.state = CoreState.RUN;
    else if (signal === Signal.PAUSE && core.state === CoreState.RUN) core.state = CoreState.PAUSE;
    else if (signal === Signal.CONT && core.state === CoreState.PAUSE) core.state = CoreState.RUN;
    else if (signal === Signal.EXIT && core.state !== CoreState.WAIT) core.state = CoreState.EXIT;
    if (signal === Signal.START) return;
  }
  guard(core, () => program.onSignal?.(signal as Signal));
}

function chooseProgram(system: System, image: ProgramImage): CoreProgram {
  const { programs } = system;
  if (typeof programs === "function") return programs(image) ?? idle();
  const own = (key: string) => (Object.hasOwn(programs, key) ? programs[key] : undefined);
  return (own(image.sha256) ?? own(String(image.appId)) ?? own("default"))?.(image) ?? idle();
}
