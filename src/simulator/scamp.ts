import { NO_ROUTE } from "../machine/index.js";
import { Command, FLAG_NO_ROUTE, FLAG_REPLY, ReturnCode, SCP_REPLY_OFFSET, SCP_REQUEST_OFFSET } from "../wire/index.js";
import { deliverSdp } from "./applications.js";
import type { Chip } from "./chip.js";
import { information, leds, remap, version } from "./commands/information.js";
import { fill, linkRead, linkWrite, read, write } from "./commands/memory.js";
import { DataAbort } from "./memory.js";
import { type ScpAnswer, ScpCall, type ScpHandler } from "./scp-call.js";
import type { System } from "./system.js";

/** Destination "out of the Ethernet": port 7, core 31. */
const HOST = 0xff;
/** Two cores that answer each other's answers do so for ever on the board; here they stop after so many. */
const MAX_DEPTH = 16;

/**
 * The monitor processors: takes a message in at one chip, finds its destination, executes commands and sends the answer back. The order of
 * decisions is `proc_route_msg` of spinnaker_tools `scamp/scamp-3.c`.
 */
export class Scamp {
  readonly #system: System;
  readonly #handlers: ReadonlyMap<number, ScpHandler>;
  readonly #onDrop: (reason: "monitorDead" | "crashedCore" | "nobodyListens") => void;
  #depth = 0;
  readonly #finish = (call: ScpCall, answer: ScpAnswer, mask: boolean): void => this.#answer(call, answer, mask);

  constructor(
    system: System,
    handlers: ReadonlyMap<number, ScpHandler>,
    onDrop: (reason: "monitorDead" | "crashedCore" | "nobodyListens") => void,
  ) {
    this.#system = system;
    this.#handlers = handlers;
    this.#onDrop = onDrop;
    system.route = (chip, bytes) => this.route(chip, bytes);
  }

  /** A message (with pad) at a chip: from the Ethernet, from a core, or a reply on its way back. */
  route(chip: Chip, bytes: Uint8Array): void {
    if (this.#depth >= MAX_DEPTH) {
      this.#onDrop("nobodyListens");
      return;
    }
    this.#depth += 1;
    try {
      this.#route(chip, bytes);
    } finally {
      this.#depth -= 1;
    }
  }

  #route(chip: Chip, bytes: Uint8Array): void {
    if (chip.dead) {
      this.#onDrop("monitorDead");
      return;
    }
    if (bytes[6] === 255 && bytes[7] === 255) {
      // Before the network is up every chip takes itself for the root, and for 0,0.
      bytes[6] = this.#system.up ? this.#system.root.y : 0;
      bytes[7] = this.#system.up ? this.#system.root.x : 0;
    }
    const [x, y] = [bytes[7]!, bytes[6]!];
    let here = chip;
    if ((x !== chip.x || y !== chip.y) && (bytes[2]! & FLAG_NO_ROUTE) === 0) {
      if (!this.#system.up) {
        if (x !== 0 || y !== 0) {
          this.#refuse(chip, bytes, ReturnCode.ROUTE);
          return;
        }
      } else {
        if (chip.router.p2p.route(x, y) >= NO_ROUTE) {
          this.#refuse(chip, bytes, ReturnCode.ROUTE);
          return;
        }
        const target = this.#system.chip(x, y);
        if (target === undefined || target.dead || !this.#system.reaches(chip, target)) {
          this.#refuse(chip, bytes, ReturnCode.P2P_NOREPLY);
          return;
        }
        here = target;
      }
    }
    const destination = bytes[4]!;
    if (destination === HOST) {
      this.#system.transmit(here, bytes);
      return;
    }
    const p = destination & 31;
    if (p >= here.coreCount) {
      this.#refuse(here, bytes, ReturnCode.CPU);
      return;
    }
    if (p !== 0) {
      this.#toCore(here, p, bytes);
      return;
    }
    if (destination >>> 5 !== 0) {
      this.#refuse(here, bytes, ReturnCode.PORT);
      return;
    }
    this.#execute(here, bytes);
  }

  #execute(chip: Chip, bytes: Uint8Array): void {
    const call = new ScpCall(this.#system, chip, bytes, this.#finish);
    let answer: ScpAnswer;
    try {
      answer = bytes.length < SCP_REQUEST_OFFSET ? ReturnCode.LEN : this.#command(call);
    } catch (error) {
      if (!(error instanceof DataAbort)) throw error;
      chip.dead = true;
      this.#onDrop("monitorDead");
      return;
    }
    if (answer !== undefined) this.#answer(call, answer, true);
  }

  #command(call: ScpCall): ScpAnswer {
    const { chip } = call;
    switch (call.command) {
      case Command.READ:
        return read(call, chip.cores[0]!.memory);
      case Command.WRITE:
        return write(call, chip.cores[0]!.memory);
      case Command.VER:
        return version(call, 0, chip.v2p[0]!, this.#system.up);
      case Command.FILL:
        return fill(call, chip.cores[0]!.memory);
      case Command.INFO:
        return information(call);
      case Command.LINK_READ:
        return linkRead(call);
      case Command.LINK_WRITE:
        return linkWrite(call);
      case Command.LED:
        return leds(call);
      case Command.REMAP:
        return remap(call);
      default:
        return this.#handlers.get(call.command)?.(call) ?? (this.#handlers.has(call.command) ? undefined : ReturnCode.CMD);
    }
  }

  /** A message for an application core: SARK's stub answers SCP, a program gets the rest. */
  #toCore(chip: Chip, p: number, bytes: Uint8Array): void {
    const core = chip.cores[p]!;
    if (core.hasCrashed) {
      if (core.mailboxFull) {
        this.#refuse(chip, bytes, ReturnCode.TIMEOUT);
        return;
      }
      core.mailboxFull = true;
      this.#onDrop("crashedCore");
      return;
    }
    if (core.program?.bare === true || bytes[4]! >>> 5 !== 0) {
      if (!deliverSdp(core, bytes)) this.#onDrop("nobodyListens");
      return;
    }
    const call = new ScpCall(this.#system, chip, bytes, this.#finish);
    let answer: ScpAnswer = ReturnCode.CMD;
    try {
      if (bytes.length < SCP_REQUEST_OFFSET) answer = ReturnCode.LEN;
      else if (call.command === Command.VER) answer = version(call, p, core.physical, true);
      else if (call.command === Command.READ) answer = read(call, core.memory);
      else if (call.command === Command.WRITE) answer = write(call, core.memory);
      else if (call.command === Command.FILL) answer = fill(call, core.memory);
    } catch (error) {
      if (!(error instanceof DataAbort)) throw error;
      core.crash(DATA_ABORT);
      this.#onDrop("crashedCore");
      return;
    }
    const reply = complete(bytes, answer as number | Uint8Array, call.code);
    this.route(chip, reply);
  }

  #answer(call: ScpCall, answer: ScpAnswer, mask: boolean): void {
    if ((call.bytes[2]! & FLAG_REPLY) === 0 || answer === undefined) return;
    const reply = complete(call.bytes, answer, call.code);
    reply[2] = call.bytes[2]! & ~FLAG_REPLY;
    if (mask && this.#system.firmware.masksErrors) reply[10] = ReturnCode.OK;
    if (!this.#system.up) {
      reply[8] = 0;
      reply[9] = 0;
    }
    this.route(call.chip, reply);
  }

  /** An error of the transport: always delivered as it is. */
  #refuse(chip: Chip, bytes: Uint8Array, code: ReturnCode): void {
    if ((bytes[2]! & FLAG_REPLY) === 0) return;
    const reply = complete(bytes, code, code);
    reply[2] = bytes[2]! & ~FLAG_REPLY;
    this.route(chip, reply);
  }
}

/** Run-time error of an application core that touched what is not there. */
const DATA_ABORT = 5;

/** Turns a request's header round in front of the answer. */
function complete(request: Uint8Array, answer: number | Uint8Array, dataCode: number): Uint8Array {
  const reply = typeof answer === "number" ? Buffer.allocUnsafe(SCP_REPLY_OFFSET) : answer;
  reply[0] = 0;
  reply[1] = 0;
  reply[2] = request[2]!;
  reply[3] = request[3]!;
  reply[4] = request[5]!;
  reply[5] = request[4]!;
  reply[6] = request[8]!;
  reply[7] = request[9]!;
  reply[8] = request[6]!;
  reply[9] = request[7]!;
  reply[10] = typeof answer === "number" ? answer : dataCode;
  reply[11] = 0;
  reply[12] = request[12]!;
  reply[13] = request[13]!;
  return reply;
}
