import { SpinnError } from "../../errors.js";
import {
  APP_DATA,
  type ChipCoordinates,
  type CoreCoordinates,
  checkAddressRange,
  type Machine,
  parseCoreState,
  parseSignal,
  Signal,
  SignalType,
} from "../../machine/index.js";
import type { Transceiver } from "../../transceiver/index.js";
import { readInputFile } from "../file.js";
import { plural } from "../format.js";
import { type CommandTable, hex8 } from "../shell/command.js";
import { type AppRange, parseApps, parseCoreList, parseRegion, type Region } from "./region.js";
import type { YbugSession } from "./session.js";

/** Lowest id of an application; those below belong to the system. Source: spinnaker_tools `tools/ybug`. */
const LOWEST_APP = 16;
const APP_COUNT = 256;

const SIGNALS = [
  "init",
  "pwrdn",
  "stop",
  "start",
  "sync0",
  "sync1",
  "pause",
  "cont",
  "exit",
  "timer",
  "usr0",
  "usr1",
  "usr2",
  "usr3",
] as const;
const COUNTS = ["or", "and", "count"] as const;

async function machineOf(session: YbugSession): Promise<Machine> {
  const board = await session.board();
  return board.machine ?? (await board.discover(session.calls)).machine;
}

/** The chips of a region that the machine has. Throws `ERR_SPINN_MACHINE` when there is none. */
async function chipsOf(session: YbugSession, region: Region, text: string): Promise<ChipCoordinates[]> {
  const current = await session.chip();
  const machine = await machineOf(session);
  const chips = [...machine.chips.values()].filter((chip) => region(chip, current)).map(({ x, y }) => ({ x, y }));
  if (chips.length > 0) return chips;
  throw new SpinnError("ERR_SPINN_MACHINE", `no chip of the machine is in region "${text}"`, { hint: "spinn map draws the machine" });
}

/** The cores asked for that the chips have; says how many they have not. */
async function coresOf(session: YbugSession, chips: readonly ChipCoordinates[], numbers: readonly number[]): Promise<CoreCoordinates[]> {
  const machine = await machineOf(session);
  const cores = chips.flatMap(({ x, y }) => {
    const { coreCount } = machine.chip(x, y);
    return numbers.filter((p) => p < coreCount).map((p) => ({ x, y, p }));
  });
  const absent = chips.length * numbers.length - cores.length;
  if (cores.length === 0) throw new SpinnError("ERR_SPINN_MACHINE", "no chip of the region has such cores");
  if (absent > 0) session.job.say(`# ${plural(absent, "core")} of the region do not exist: left out`);
  return cores;
}

/** How many cores of the applications are in a state, how many are there, and on how many chips. */
async function countCores(board: Transceiver, chips: readonly ChipCoordinates[], apps: AppRange, state: number, session: YbugSession) {
  let matching = 0;
  let total = 0;
  await board.forEach(
    chips,
    async (chip, options) => {
      const cores = (await board.readChipStatus(chip, options)).filter(({ appId }) => (appId & apps.appMask) === apps.appId);
      total += cores.length;
      matching += cores.filter((core) => core.state === state).length;
    },
    session.calls,
  );
  return { matching, total };
}

export const APPLICATIONS: CommandTable<YbugSession> = {
  app_load: {
    usage: "<file.F> .|@<X.D>,<Y.D>|<region> <cores> <app_id.D> [wait]",
    purpose: "Load an application and see that it starts",
    parse(words) {
      const file = words.text("file");
      const text = words.text("region");
      const region = parseRegion(text);
      const numbers = parseCoreList(words.text("cores"));
      const appId = words.decimal("app_id", LOWEST_APP, APP_COUNT - 1);
      const wait = words.left > 0 && words.choice("option", ["wait"]) === "wait";
      return async (session) => {
        const image = await readInputFile(file, "application");
        const cores = await coresOf(session, await chipsOf(session, region, text), numbers);
        // Scripts of ybug load over what is there: running one a second time must work.
        await (await session.board()).load(image, cores, { appId, wait, force: true, ...session.calls });
      };
    },
  },
  app_stop: {
    usage: "<app_id.D>[-<app_id.D>]",
    purpose: "Stop applications",
    parse(words) {
      const apps = parseApps(words.text("app_id"), LOWEST_APP);
      return async (session) => {
        await (await session.board()).sendSignal(Signal.STOP, { ...apps, type: SignalType.NEAREST_NEIGHBOUR, ...session.calls });
      };
    },
  },
  app_sig: {
    usage: "<region> <app_id.D>[-<app_id.D>] <signal> [state]",
    purpose: "Send a signal to applications, or count their cores in a state (or, and, count)",
    parse(words) {
      const text = words.text("region");
      const region = parseRegion(text);
      const apps = parseApps(words.text("app_id"), 0);
      const word = words.choice("signal", [...SIGNALS, ...COUNTS]);
      const count = COUNTS.find((known) => known === word);
      if (count === undefined) {
        const signal = parseSignal(word);
        return async (session) => {
          if (text.toLowerCase() !== "all") session.job.say(`# signals reach the whole machine, whatever the region "${text}"`);
          await (await session.board()).sendSignal(signal, { ...apps, ...session.calls });
        };
      }
      const name = words.text("state");
      if (/^\d/.test(name)) throw words.wrong(`state: there is no "${name}"`);
      const state = parseCoreState(name);
      return async (session) => {
        const chips = await chipsOf(session, region, text);
        const { matching, total } = await countCores(await session.board(), chips, apps, state, session);
        if (count === "count") return session.out(`Count ${matching}\n`);
        // As SC&MP up to 3.4.1 answered: bit 16 the result, below it the chips that were asked.
        const holds = count === "or" ? matching > 0 : total > 0 && matching === total;
        session.out(`Mask 0x${hex8((holds ? 0x10000 : 0) + chips.length)}\n`);
      };
    },
  },
  data_load: {
    usage: "<file.F> <region> <addr.X>",
    purpose: "Load a file into the memory of every chip of a region",
    parse(words) {
      const file = words.text("file");
      const text = words.text("region");
      const region = parseRegion(text);
      const at = words.hex("address");
      if (checkAddressRange(at, 1).perCore) throw words.wrong(`address ${hex8(at)} belongs to a core, not to a chip`);
      return async (session) => {
        const bytes = await readInputFile(file, "file to load");
        checkAddressRange(at, bytes.length);
        const chips = await chipsOf(session, region, text);
        const board = await session.board();
        await board.writeMany(
          chips.map((chip) => ({ ...chip, address: at, data: bytes })),
          session.calls,
        );
      };
    },
  },
  app_dump: {
    usage: "",
    purpose: "Show what a chip knows of applications",
    parse: () => async (session) => {
      const board = await session.board();
      const chip = await session.chip();
      const at = Number(await board.readSystemVariable(chip, "app_data", session.calls));
      const bytes = await board.readMemory(chip, at, APP_COUNT * APP_DATA.size, session.calls);
      session.out(" ID Cores Clean  Sema  Lead Mask\n--- ----- -----  ----  ---- ----\n");
      for (let id = 0; id < APP_COUNT; id += 1) {
        const record = bytes.subarray(id * APP_DATA.size);
        const [cores, clean, sema, lead] = ["cores", "clean", "sema", "lead"].map((name) => APP_DATA.number(record, name));
        if (cores === 0 && clean === 0) continue;
        const numbers = [cores, clean, sema, lead].map((value) => String(value).padStart(5)).join(" ");
        session.out(`${String(id).padStart(3)} ${numbers} ${hex8(APP_DATA.number(record, "mask"))}\n`);
      }
    },
  },
};
