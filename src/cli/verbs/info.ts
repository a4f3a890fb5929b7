import { SpinnError } from "../../errors.js";
import { coreStateName, formatChip, type Machine } from "../../machine/index.js";
import { BMPTransceiver, type Transceiver } from "../../transceiver/index.js";
import { eachSlot, listSlots, muteStatus } from "../bmp.js";
import { addBoardOptions, chooseBoard, withBoard } from "../board.js";
import { formatBytes, formatTime, plural } from "../format.js";
import type { Job, Verb } from "../job.js";
import { formatSensors } from "../sensor-table.js";
import { ExitStatus } from "../status.js";
import { formatPairs } from "../table.js";
import { versionText } from "../version-text.js";

export const verb: Verb = {
  configure: (command) => void addBoardOptions(command),
  examples: ["info --host 192.168.240.1", "info --host 192.168.240.0 # a BMP is recognised: its boards, supplies and temperatures"],
  statuses: [3, 4, 7, 9],
  async run(job, command) {
    try {
      await withBoard(job, command, (board) => boardInfo(job, board));
      return ExitStatus.DONE;
    } catch (error) {
      if (!(error instanceof SpinnError) || error.code !== "ERR_SPINN_WRONG_DEVICE" || !error.message.includes("BMP")) throw error;
      const { host, port, open } = await chooseBoard(job, command);
      await using bmp = await BMPTransceiver.connect({ host, port, open, signal: job.signal });
      return await bmpInfo(job, bmp);
    }
  },
};

async function boardInfo(job: Job, board: Transceiver): Promise<void> {
  const { machine, problems } = await board.discover(job.calls);
  const { version } = board;
  const states = countStates(machine);
  const dead = deadParts(machine);
  const data = {
    kind: "board",
    board: board.remote,
    software: { name: version.name, version: versionText(version), hardware: version.hardware, built: version.buildDate },
    machine: {
      width: machine.width,
      height: machine.height,
      root: machine.root,
      boards: machine.geometry.ethernetChips.length,
      chips: machine.chips.size,
      cores: machine.coreCount,
      topology: topology(machine),
    },
    ethernet: [...machine.ethernetChips()].map(({ x, y, ethernet }) => ({ x, y, ip: ethernet!.ip })),
    coreStates: Object.fromEntries(states),
    dead,
    problems,
  };
  const { terminal } = job;
  job.result(data, () => {
    const boards = plural(machine.geometry.ethernetChips.length, "board");
    const smallest = Math.min(...[...machine.chips.values()].map((chip) => chip.largestSdramBlock));
    const lines: [string, string][] = [
      ["board", board.remote],
      ["software", `${version.name} ${versionText(version)} on ${version.hardware}, built ${formatTime(version.buildDate)}`],
      ["machine", `${machine.width} x ${machine.height}: ${plural(machine.chips.size, "chip")} on ${boards}, ${topology(machine)}`],
      ["cores", `${machine.coreCount} work, ${machine.chips.size} of them are monitors`],
      ["states", [...states].map(([name, count]) => `${count} ${name}`).join(", ")],
      ["free SDRAM", `at least ${formatBytes(smallest)} in one block on each chip`],
      ["Ethernet", [...machine.ethernetChips()].map((chip) => `${formatChip(chip)} at ${chip.ethernet!.ip}`).join("\n")],
    ];
    for (const [name, what] of [
      ["dead chips", dead.chips.map(formatChip)],
      ["dead cores", dead.cores],
      ["dead links", dead.links],
    ] as const) {
      if (what.length > 0) lines.push([name, terminal.paint("odd", what.join(" "))]);
    }
    const isWhole = dead.chips.length + dead.cores.length + dead.links.length === 0;
    lines.push(["verdict", verdict(job, problems, isWhole)]);
    return formatPairs(lines);
  });
}

function verdict(job: Job, problems: readonly string[], isWhole: boolean): string {
  if (problems.length > 0) return job.terminal.paint("bad", problems.join("\n"));
  return isWhole ? job.terminal.paint("good", "whole: nothing is missing") : "works, with parts missing";
}

async function bmpInfo(job: Job, bmp: BMPTransceiver): Promise<number> {
  const { version } = bmp;
  const { slots, failed: silent } = await listSlots(job, bmp);
  const { done: boards, failed } = await eachSlot(job, slots, async (slot) => ({ slot, sensors: await bmp.readSensors(slot, job.calls) }));
  const mute = [...silent, ...failed];
  const data = {
    kind: "bmp",
    board: bmp.remote,
    software: { name: version.name, version: versionText(version), hardware: version.hardware, built: version.buildDate },
    frame: version.frame,
    slots,
    boards,
    failed: mute,
  };
  job.result(data, () => {
    const head = formatPairs([
      ["BMP", bmp.remote],
      ["software", `${version.name} ${versionText(version)} on ${version.hardware}, built ${formatTime(version.buildDate)}`],
      ["frame", String(version.frame)],
      ["boards", `slots ${slots.join(" ")}`],
    ]);
    return `${head}\n${formatSensors(job.terminal, boards)}`;
  });
  return muteStatus(job, [...slots, ...silent], mute);
}

function topology(machine: Machine): string {
  const { wrapX, wrapY, board } = machine.geometry;
  if (board === "spin3") return "one board of 4 chips";
  if (wrapX && wrapY) return "a torus";
  return wrapX || wrapY ? "joined at one pair of edges" : machine.geometry.ethernetChips.length === 1 ? "no edge joined" : "open edges";
}

/** Cores of the machine by the name of their state, most frequent first; cores that do not work are left out. */
function countStates(machine: Machine): Map<string, number> {
  const counts = new Map<string, number>();
  for (const chip of machine.chips.values()) {
    for (const state of chip.coreStates.slice(0, chip.coreCount)) {
      counts.set(coreStateName(state), (counts.get(coreStateName(state)) ?? 0) + 1);
    }
  }
  return new Map([...counts].sort((a, b) => b[1] - a[1]));
}

interface DeadParts {
  readonly chips: readonly { readonly x: number; readonly y: number }[];
  readonly cores: readonly string[];
  readonly links: readonly string[];
}

/** What a whole machine of this size has and this one has not. A link is told from the side of a living chip to a living chip. */
function deadParts(machine: Machine): DeadParts {
  const chips = [...machine.geometry.chips()].filter(({ x, y }) => !machine.hasChip(x, y));
  const cores: string[] = [];
  const links: string[] = [];
  for (const chip of machine.chips.values()) {
    // 17 of 18 is usual: many chips have one core that was found bad when they were made.
    if (chip.coreCount < 17) cores.push(`${formatChip(chip)} (${chip.coreCount} work)`);
    for (const link of [0, 1, 2, 3, 4, 5] as const) {
      const far = machine.geometry.neighbour(chip.x, chip.y, link);
      if (far !== undefined && machine.hasChip(far.x, far.y) && !machine.hasLink(chip.x, chip.y, link)) {
        links.push(`${formatChip(chip)}->${formatChip(far)}`);
      }
    }
  }
  return { chips, cores, links };
}
