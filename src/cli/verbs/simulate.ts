import { Option } from "commander";
import { type ChipCoordinates, type Link, parseLink } from "../../machine/index.js";
import type { DeadParts, FAULT_PRESETS, TimelineStep } from "../../simulator/index.js";
import { BOOT_PORT } from "../../wire/index.js";
import { parsePort, resolveBoard } from "../board.js";
import { type FaultPlan, readFaultFile } from "../fault-file.js";
import { faultWords } from "../fault-words.js";
import { plural } from "../format.js";
import { type GdbChoice, gdbOption, serveGdb } from "../gdb.js";
import type { Verb } from "../job.js";
import { parseControl, serveMachine } from "../machine-control.js";
import { parseFactor, parseInteger } from "../number.js";
import { parsePlace } from "../place.js";
import type { MachineOptions } from "../simulate-firmware.js";
import { BOARD_KINDS, type BoardKind, type CoreKind, coreKindOption, coresOf, ended, named, parseBoard } from "../simulated.js";
import { asUsage, usage } from "../usage.js";

interface Options {
  readonly board?: BoardKind;
  readonly host?: string;
  readonly bmpHost?: string;
  readonly port?: number;
  readonly bootPort?: number;
  readonly scamp?: string;
  readonly unbooted?: boolean;
  readonly unpowered?: boolean;
  readonly dead?: readonly DeadPart[];
  readonly faults?: string;
  readonly seed?: number;
  readonly timeScale?: number;
  readonly record?: string;
  readonly firmware?: string | true;
  readonly speed?: number;
  readonly hello?: { readonly host: string; readonly port: number };
  readonly control?: { readonly host: string; readonly port: number };
  readonly cores?: CoreKind;
  readonly gdb?: GdbChoice;
}

export const verb: Verb = {
  configure: (command) =>
    void command
      .option("--board <kind>", `${BOARD_KINDS} (default: spin5)`, parseBoard)
      .option("--host <address>", "IPv4 address of the first board; further boards take the next ones (default: 127.0.0.1)")
      .option(
        "--bmp-host <address>",
        "IPv4 address of the first BMP; 48-chip boards have one each (default: 128 addresses after the board)",
      )
      .option("--port <n>", "UDP port of SCP, 0 for any free one (default: 17893)", (text) => parseInteger("port", text, 0, 65535))
      .option("--boot-port <n>", "UDP port of the boot ROM (default: 54321)", parsePort)
      .option(
        "--dead <parts...>",
        "parts that do not work: chips x,y, cores x,y,p (physical), links x,y:east; may be repeated",
        addDeadPart,
      )
      .addOption(new Option("--scamp <version>", "version of SC&MP that answers (default: 4.0.0)").choices(["4.0.0", "3.4.1"]))
      .option("--unbooted", "wait for a boot image")
      .option("--unpowered", "wait until the BMP switches the boards on, then for a boot image")
      .option(
        "--faults <file>",
        "faults, or a timeline of them: a YAML or JSON file, or a name: lossy, every-tenth, jittery, slow, doubled, shuffled, corrupt, truncated, foreign, garbled, busy, sticky, cramped, rebooting, slow-bmp",
      )
      .option("--seed <n>", "seed of the faults (default: 1)", (text) => parseInteger("--seed", text, 0, 0xffffffff))
      .option("--time-scale <factor>", "multiplies the time that boot and power take, e.g. 0.1 (default: 1)", (text) =>
        parseFactor("--time-scale", text),
      )
      .addOption(coreKindOption())
      .option(
        "--firmware [file]",
        "emulate every chip and let real firmware answer: boots the image (scamp.boot), or waits for one when none is named",
      )
      .option("--speed <factor>", "clocks of emulated firmware per clock of a real board, or max (default: 1)", parseSpeed)
      .option("--record <file>", "write every datagram to a file for Wireshark (pcap), which spinn replay takes too")
      .option("--hello <host>", "where boot ROMs of unbooted boards send their hello, host or host:port (default: nowhere)", parseHello)
      .option(
        "--control <[host:]port>",
        "TCP port over which spinn faults steers the machine while it runs; 0 takes a free one (default: none; host: 127.0.0.1)",
        parseControl,
      )
      .addOption(gdbOption()),
  examples: [
    "simulate --board spin3 # 4 chips on 127.0.0.1, until Ctrl-C",
    "simulate --board spin5 --unbooted --bmp-host 127.0.0.2 # as a board is when it has just been switched on",
    "simulate --board triads:1x1 --faults lossy --seed 7 # three boards on a bad network",
    "simulate --board spin3 --control 4000 # spinn faults 127.0.0.1:4000 lossy switches faults on while it runs",
  ],
  statuses: [4],
  async run(job, command) {
    const options = command.opts<Options>();
    if (options.firmware !== undefined) {
      const { simulateFirmware } = await import("../simulate-firmware.js");
      await simulateFirmware(
        job,
        command,
        options.firmware === true ? undefined : options.firmware,
        machineOptions(options),
        options.speed,
        options.gdb,
      );
      return;
    }
    if (options.speed !== undefined) throw usage("--speed is for --firmware", "cores of the simulated machine run in real time");
    const { FAULT_PRESETS: presets, SimulatedMachine } = await import("../../simulator/index.js");
    if (options.gdb !== undefined && (options.cores ?? "arm") !== "arm") throw usage("--gdb is for emulated cores", "leave out --cores");
    const { ArmMachine } = await import("../../emulator/index.js");
    const arm = new ArmMachine();
    const programs = await coresOf(options.cores ?? "arm", job, arm);
    const plan = options.faults === undefined ? {} : await readFaults(options.faults, presets);
    await using machine = await SimulatedMachine.start({
      ...machineOptions(options),
      booted: options.unbooted !== true && options.unpowered !== true,
      signal: job.signal,
      programs,
      ...(options.scamp === undefined ? {} : { scamp: options.scamp }),
      ...plan,
      onStep: (step) => job.say(stepText(step)),
      ...(options.seed === undefined ? {} : { seed: options.seed }),
      ...(options.hello === undefined ? {} : { helloTo: options.hello }),
    });
    await using server =
      options.control === undefined ? undefined : await serveMachine(machine, presets, options.control.host, options.control.port);
    await using gdb = await serveGdb(job, arm, options.gdb, undefined);
    const control = server === undefined ? undefined : `${options.control!.host}:${server.port}`;
    const boards = machine.boards.map(({ address }) => `${address.host}:${address.port}`);
    const bmps = machine.bmps.map(({ address }) => `${address.host}:${address.port}`);
    const boot = `${machine.bootAddress.host}:${machine.bootAddress.port}`;
    const chips = [...machine.geometry.chips()].length;
    const state = options.unpowered ? "no power" : options.unbooted ? "not booted" : "booted";
    job.result(
      {
        ready: true,
        chips,
        state,
        scamp: machine.version,
        boards,
        boot,
        bmps,
        control: control ?? null,
        gdb: gdb === undefined ? null : `127.0.0.1:${gdb.port}`,
      },
      () => {
        const words = state === "booted" ? `SC&MP ${machine.version}` : state;
        const rom = state === "booted" ? "" : `, boot ROM ${boot}`;
        return `ready: ${plural(chips, "chip")}, ${words}, ${named("board", boards)}${rom}${named(", BMP", bmps)}${control === undefined ? "" : `, control ${control}`}\n`;
      },
    );
    await ended(job);
    job.say("stopped");
  },
};

/** What machines of both kinds understand. */
function machineOptions(options: Options): MachineOptions {
  return {
    board: options.board ?? "spin5",
    powered: options.unpowered !== true,
    ...(options.dead === undefined ? {} : { dead: deadParts(options.dead) }),
    ...(options.host === undefined ? {} : { host: options.host }),
    ...(options.bmpHost === undefined ? {} : { bmpHost: options.bmpHost }),
    ...(options.port === undefined ? {} : { port: options.port }),
    ...(options.bootPort === undefined ? {} : { bootPort: options.bootPort }),
    ...(options.timeScale === undefined ? {} : { timeScale: options.timeScale }),
    ...(options.record === undefined ? {} : { record: options.record }),
  };
}

function parseSpeed(text: string): number {
  return text === "max" ? Number.POSITIVE_INFINITY : parseFactor("--speed", text);
}

type DeadPart = ChipCoordinates & { readonly p?: number; readonly link?: Link };

function addDeadPart(text: string, before: readonly DeadPart[] = []): DeadPart[] {
  return [...before, text.includes(":") ? asUsage(() => parseLink(text)) : parsePlace(text)];
}

function deadParts(parts: readonly DeadPart[]): DeadParts {
  return {
    chips: parts.filter(({ p, link }) => p === undefined && link === undefined),
    cores: parts.flatMap(({ x, y, p }) => (p === undefined ? [] : [{ x, y, p }])),
    links: parts.flatMap(({ x, y, link }) => (link === undefined ? [] : [{ x, y, link }])),
  };
}

/** Faults by name, or from a file. */
async function readFaults(name: string, presets: typeof FAULT_PRESETS): Promise<FaultPlan> {
  return Object.hasOwn(presets, name) ? { faults: name as keyof typeof FAULT_PRESETS } : await readFaultFile(name);
}

/** What happened on a timeline, for the one who watches. */
function stepText({ at, faults, seed, power, reset, boards }: TimelineStep): string {
  const words = [
    ...(seed === undefined ? [] : [`seed ${seed}`]),
    ...(faults === undefined ? [] : [`faults ${typeof faults === "string" ? faults : faultWords({ ...faults }).join(" ") || "none"}`]),
    ...(power === undefined ? [] : [`power ${power === true || power === "on" ? "on" : "off"}`]),
    ...(reset === undefined ? [] : ["reset"]),
  ];
  const where = boards === undefined ? "" : ` (${plural(boards.length, "board")}: ${boards.join(" ")})`;
  return `at ${typeof at === "number" ? `${at}ms` : at}: ${words.join(", ")}${where}`;
}

/** Where hellos go: the port is the one of the boot ROM unless it is said. */
function parseHello(text: string): { readonly host: string; readonly port: number } {
  const { host, port = BOOT_PORT } = resolveBoard(text, undefined);
  return { host, port };
}
