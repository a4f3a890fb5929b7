import { Option } from "commander";
import { SpinnError } from "../../errors.js";
import { type ChipCoordinates, formatCore, LINKS, type Link, linkName } from "../../machine/index.js";
import type { DeadParts, FAULT_PRESETS, Faults, ProgramChoice, SimulatedMachineOptions } from "../../simulator/index.js";
import { parsePort } from "../board.js";
import { readInputFile } from "../file.js";
import { plural } from "../format.js";
import type { Job, Verb } from "../job.js";
import { parseFactor, parseInteger } from "../number.js";
import { parsePlace } from "../place.js";
import { usage } from "../usage.js";

interface Options {
  readonly board?: NonNullable<SimulatedMachineOptions["board"]>;
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
  readonly cores?: "arm" | "stock" | "live";
}

export const verb: Verb = {
  configure: (command) =>
    void command
      .option(
        "--board <kind>",
        "spin3 (4 chips), spin5 (48 chips) or triads:WxH (a torus of 3 x W x H boards) (default: spin5)",
        parseBoard,
      )
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
      .option("--faults <file>", "faults: a JSON or YAML file, or a name: lossy, jittery, slow, doubled, shuffled, garbled, busy, sticky")
      .option("--seed <n>", "seed of the faults (default: 1)", (text) => parseInteger("--seed", text, 0, 0xffffffff))
      .option("--time-scale <factor>", "multiplies the time that boot and power take, e.g. 0.1 (default: 1)", (text) =>
        parseFactor("--time-scale", text),
      )
      .addOption(
        new Option(
          "--cores <kind>",
          "what cores run: the loaded ARM binary (arm), an idle application (stock), or one that sends and takes live events, through tag 1 (live) (default: arm)",
        ).choices(["arm", "stock", "live"]),
      )
      .option("--record <file>", "write every datagram to a file for Wireshark (pcap)"),
  examples: [
    "simulate --board spin3 # 4 chips on 127.0.0.1, until Ctrl-C",
    "simulate --board spin5 --unbooted --bmp-host 127.0.0.2 # as a board is when it has just been switched on",
    "simulate --board triads:1x1 --faults lossy --seed 7 # three boards on a bad network",
  ],
  statuses: [4],
  async run(job, command) {
    const options = command.opts<Options>();
    const { SimulatedMachine } = await import("../../simulator/index.js");
    const programs = options.cores === "stock" ? {} : { programs: await (options.cores === "live" ? liveCores() : armCores(job)) };
    const faults = options.faults === undefined ? undefined : await readFaults(options.faults);
    await using machine = await SimulatedMachine.start({
      board: options.board ?? "spin5",
      booted: options.unbooted !== true && options.unpowered !== true,
      powered: options.unpowered !== true,
      ...(options.dead === undefined ? {} : { dead: deadParts(options.dead) }),
      signal: job.signal,
      ...programs,
      ...(options.host === undefined ? {} : { host: options.host }),
      ...(options.bmpHost === undefined ? {} : { bmpHost: options.bmpHost }),
      ...(options.port === undefined ? {} : { port: options.port }),
      ...(options.bootPort === undefined ? {} : { bootPort: options.bootPort }),
      ...(options.scamp === undefined ? {} : { scamp: options.scamp }),
      ...(faults === undefined ? {} : { faults }),
      ...(options.seed === undefined ? {} : { seed: options.seed }),
      ...(options.timeScale === undefined ? {} : { timeScale: options.timeScale }),
      ...(options.record === undefined ? {} : { record: options.record }),
    });
    const boards = machine.boards.map(({ address }) => `${address.host}:${address.port}`);
    const bmps = machine.bmps.map(({ address }) => `${address.host}:${address.port}`);
    const boot = `${machine.bootAddress.host}:${machine.bootAddress.port}`;
    const chips = [...machine.geometry.chips()].length;
    const state = options.unpowered ? "no power" : options.unbooted ? "not booted" : "booted";
    job.result({ ready: true, chips, state, scamp: machine.version, boards, boot, bmps }, () => {
      const words = state === "booted" ? `SC&MP ${machine.version}` : state;
      const rom = state === "booted" ? "" : `, boot ROM ${boot}`;
      return `ready: ${plural(chips, "chip")}, ${words}, ${named("board", boards)}${rom}${named(", BMP", bmps)}\n`;
    });
    await ended(job);
    job.say("stopped");
  },
};

/** `board A`, `boards A B`, nothing for none. */
function named(what: string, addresses: readonly string[]): string {
  if (addresses.length === 0) return "";
  return `${what}${addresses.length === 1 ? "" : "s"} ${addresses.join(" ")}`;
}

type DeadPart = ChipCoordinates & { readonly p?: number; readonly link?: Link };

function addDeadPart(text: string, before: readonly DeadPart[] = []): DeadPart[] {
  const [where, direction] = text.split(":", 2) as [string, string?];
  const place = parsePlace(where);
  if (direction === undefined) return [...before, place];
  const link = LINKS.find((candidate) => linkName(candidate) === direction);
  if (link !== undefined && place.p === undefined) return [...before, { x: place.x, y: place.y, link }];
  throw usage(`--dead: "${text}" is no part of a machine`, `links are ${LINKS.map((candidate) => `x,y:${linkName(candidate)}`).join(" ")}`);
}

function deadParts(parts: readonly DeadPart[]): DeadParts {
  return {
    chips: parts.filter(({ p, link }) => p === undefined && link === undefined),
    cores: parts.flatMap(({ x, y, p }) => (p === undefined ? [] : [{ x, y, p }])),
    links: parts.flatMap(({ x, y, link }) => (link === undefined ? [] : [{ x, y, link }])),
  };
}

/** Cores that execute what is loaded on them; what a program does that it must not is told on stderr. */
async function armCores(job: Job): Promise<ProgramChoice> {
  const { armProgram } = await import("../../emulator/index.js");
  return armProgram({ onTrouble: ({ x, y, p, message }) => job.say(`core ${formatCore({ x, y, p })}: ${message}`) });
}

/** Cores that fire 1000 events a second each, 100 atoms in turn, and take events on SDP port 1. */
async function liveCores(): Promise<ProgramChoice> {
  const { liveEvents } = await import("../../simulator/index.js");
  return () => liveEvents({ eventsPerStep: 1, prefix: 0 });
}

/** Until Ctrl-C or SIGTERM: the usual way to end it, so no error. */
function ended(job: Job): Promise<void> {
  if (job.signal.aborted) return Promise.resolve();
  // A signal handler alone does not keep the process running, and a machine may have closed its sockets.
  const keepAlive = setInterval(() => {}, 1 << 30);
  return new Promise((resolve) => {
    job.signal.addEventListener(
      "abort",
      () => {
        clearInterval(keepAlive);
        resolve();
      },
      { once: true },
    );
  });
}

function parseBoard(text: string): NonNullable<SimulatedMachineOptions["board"]> {
  if (text === "spin3" || text === "spin5") return text;
  const match = /^triads:(\d+)x(\d+)$/.exec(text);
  if (match === null) throw usage(`--board: "${text}" is no machine`, "machines are spin3, spin5 and triads:WxH, e.g. triads:1x1");
  return { triads: [parseInteger("triads across", match[1]!, 1, 21), parseInteger("triads up", match[2]!, 1, 21)] };
}

async function readFaults(name: string): Promise<Faults | keyof typeof FAULT_PRESETS> {
  const { FAULT_PRESETS: presets } = await import("../../simulator/index.js");
  if (Object.hasOwn(presets, name)) return name as keyof typeof FAULT_PRESETS;
  const text = new TextDecoder().decode(await readInputFile(name, "file of faults"));
  const { parse } = await import("yaml");
  try {
    return (parse(text) ?? {}) as Faults;
  } catch (cause) {
    throw new SpinnError(
      "ERR_SPINN_FILE",
      `the file of faults ${name} is neither YAML nor JSON: ${(cause as Error).message.split("\n", 1)[0]}`,
      { cause },
    );
  }
}
