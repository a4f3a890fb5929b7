import type { Allocator, ListedMachine, Place, PlaceQuery } from "../../services/allocation/index.js";
import type { Job, Verb } from "../job.js";
import { parseInteger } from "../number.js";
import { addServerOption, withServer } from "../spalloc.js";
import { ExitStatus } from "../status.js";
import { type Column, formatPairs, formatTable } from "../table.js";
import { usage } from "../usage.js";

interface Options {
  readonly at?: string;
  readonly chip?: string;
  readonly job?: number;
}

const HEAD: readonly Column[] = [
  { title: "machine" },
  { title: "tags" },
  { title: "triads", align: "right" },
  { title: "boards", align: "right" },
  { title: "dead boards" },
  { title: "dead links", align: "right" },
];
/** Dead boards that are listed one by one. */
const SHOWN = 6;

export const verb: Verb = {
  configure: (command) =>
    void addServerOption(command)
      .argument("[action]", "list or where-is (default: list)")
      .argument("[machine]", "where-is: its name")
      .argument("[board]", "where-is: a board by its place in the machine: x,y,z")
      .option("--at <cabinet,frame,board>", "where-is: a board by its place in the room")
      .option("--chip <x,y>", "where-is: a chip of the machine booted as a whole, or with --job of the job")
      .option("--job <number>", "where-is: the job whose chip is meant", (text) => parseInteger("--job", text, 0, 0x7fffffff)),
  examples: [
    "machines --spalloc spinn.example.org",
    "machines where-is rack1 0,0,2 # cabinet, frame, slot, and who has it",
    "machines where-is rack1 --at 0,1,5",
    "machines where-is --job 24 --chip 8,4 --json",
  ],
  statuses: [1, 3, 4, 5, 9],
  async run(job, command) {
    const [action = "list", machine, board] = command.args;
    if (action === "list") return withServer(job, command, (allocator) => list(job, allocator));
    if (action !== "where-is") throw usage(`"${action}" is nothing that can be done with machines`, "there are list and where-is");
    const query = queryOf(machine, board, command.opts<Options>());
    return withServer(job, command, (allocator) => whereIs(job, allocator, query));
  },
};

async function list(job: Job, allocator: Allocator): Promise<undefined> {
  const machines = await allocator.listMachines({ signal: job.signal });
  const members = { server: allocator.where, machines: machines.map((each) => ({ ...each, boards: boardsOf(each) })) };
  job.result(members, () => (machines.length === 0 ? "no machines\n" : formatTable(HEAD, machines.map(rowOf), job.terminal.columns)));
  return undefined;
}

/** Boards that there are. A machine of triads has three each; what it lacks (a machine of one board) is listed as dead. */
function boardsOf({ width, height, deadBoards }: ListedMachine): number {
  return 3 * width * height - deadBoards.length;
}

function rowOf(machine: ListedMachine): string[] {
  const { name, tags, width, height, deadBoards, deadLinks } = machine;
  const dead = deadBoards.slice(0, SHOWN).map(({ x, y, z }) => `${x},${y},${z}`);
  const more = deadBoards.length > SHOWN ? [`and ${deadBoards.length - SHOWN} more`] : [];
  return [
    name,
    tags.join(" "),
    `${width}x${height}`,
    String(boardsOf(machine)),
    [...dead, ...more].join(" "),
    deadLinks.length === 0 ? "" : String(deadLinks.length),
  ];
}

function queryOf(machine: string | undefined, board: string | undefined, { at, chip, job }: Options): PlaceQuery {
  const ways = [board, at, chip].filter((way) => way !== undefined).length;
  if (ways !== 1) throw usage("where-is wants one place", "a board x,y,z, or --at CABINET,FRAME,BOARD, or --chip X,Y");
  if (job !== undefined) {
    if (chip === undefined || machine !== undefined) throw usage("--job goes with --chip", "spinn machines where-is --job 24 --chip 8,4");
    return { jobId: job, chip: chipOf(chip) };
  }
  if (machine === undefined) throw usage("where-is wants a machine", "spinn machines where-is MACHINE 0,0,2; spinn machines lists them");
  if (chip !== undefined) return { machine, chip: chipOf(chip) };
  if (at !== undefined) {
    const [cabinet, frame, index] = numbersOf("--at", at, 3) as [number, number, number];
    return { machine, cabinet, frame, board: index };
  }
  const [x, y, z] = numbersOf("board", board!, 3) as [number, number, number];
  return { machine, x, y, z };
}

function chipOf(text: string): { readonly x: number; readonly y: number } {
  const [x, y] = numbersOf("--chip", text, 2) as [number, number];
  return { x, y };
}

function numbersOf(name: string, text: string, count: number): number[] {
  const words = text.split(",");
  if (words.length !== count) throw usage(`${name}: "${text}" must be ${count} numbers with commas between them`);
  return words.map((word) => parseInteger(name, word, 0, 65535));
}

async function whereIs(job: Job, allocator: Allocator, query: PlaceQuery): Promise<number> {
  const place = await allocator.whereIs(query, { signal: job.signal });
  const nothing = "there is no board\n";
  job.result({ server: allocator.where, place }, () => (place === null ? nothing : formatPairs(pairsOf(place))), "machines.place");
  return place === null ? ExitStatus.NO : ExitStatus.DONE;
}

function pairsOf({ machine, board, position, chip, boardChip, jobId, jobChip }: Place): [string, string][] {
  return [
    ["machine", machine],
    ["board", `${board.x},${board.y},${board.z}`],
    ["in the room", `cabinet ${position.cabinet}, frame ${position.frame}, board ${position.board}`],
    ["chip", `${chip.x},${chip.y} of the machine, ${boardChip.x},${boardChip.y} of the board`],
    ["job", jobId === null ? "none: it is free" : `${jobId}${jobChip === null ? "" : `, chip ${jobChip.x},${jobChip.y} of it`}`],
  ];
}
