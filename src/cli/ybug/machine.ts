import { CORE_COUNT, runTimeError, VCPU, VCPU_SIZE, vcpuAddress } from "../../machine/index.js";
import { writeOutputFile } from "../file.js";
import { clockTime, dayAndTime, longTime } from "../shell/clock.js";
import { type CommandTable, hex8 } from "../shell/command.js";
import { ledCommand } from "../shell/led-command.js";
import { versionText } from "../version-text.js";
import type { YbugSession } from "./session.js";

/** Names of the states of a core as ybug prints them, by number. */
const STATES = "---- PWRDN RTE WDOG INIT WAIT SARK RUN SYNC0 SYNC1 PAUSE EXIT ST_12 ST_13 ST_14 IDLE".split(" ");

const right = (value: number, width: number): string => String(value).padStart(width);

/** One vcpu block: where a field is found by its name. */
type Core = { readonly number: (name: string) => number; readonly name: string };

function coreOf(block: Uint8Array): Core {
  return { number: (name) => VCPU.number(block, name), name: VCPU.read(block, "app_name") as string };
}

/** When a core was started and how long it has been running; blank for one that does not say. */
function times(start: number): { readonly started: string; readonly running: string } {
  if (start === 0) return { started: " ".repeat(12), running: " ".repeat(9) };
  const seconds = Math.max(0, Math.floor(Date.now() / 1000) - start);
  return { started: dayAndTime(start), running: clockTime(seconds) };
}

const HEADS = {
  time: ["Running  Started", "-------  -------"],
  x: ["     User0      User1      User2      User3", "     -----      -----      -----      -----"],
  d: ["     User0      User1      User2      User3", "     -----      -----      -----      -----"],
  p: ["PCore  SWver", "-----  --------"],
} as const;

type Columns = keyof typeof HEADS;

function tableText(cores: readonly Core[], columns: Columns): string {
  const [head, rule] = HEADS[columns];
  const lines = cores.map((core, p) => {
    const place = `${right(p, 3)}  ${STATES[core.number("cpu_state") & 15]!.padEnd(6)} ${core.name.padEnd(16)} ${right(core.number("app_id"), 3)} `;
    return `${place}${lastColumns(core, columns)}\n`;
  });
  return `Core State  Application       ID   ${head}\n---- -----  -----------       --   ${rule}\n${lines.join("")}`;
}

function lastColumns(core: Core, columns: Columns): string {
  const users = ["user0", "user1", "user2", "user3"].map((name) => core.number(name));
  if (columns === "x") return `    ${users.map(hex8).join("   ")}`;
  if (columns === "d") return `  ${users.map((value) => right(value, 10)).join(" ")}`;
  if (columns === "p") {
    const version = core.number("sw_ver");
    return `   ${right(core.number("phys_cpu"), 2)}    ${(version >> 16) & 255}.${(version >> 8) & 255}.${version & 255}`;
  }
  const { started, running } = times(core.number("time"));
  const errors = core.number("sw_count");
  return `${running.padStart(9)}  ${started} ${errors === 0 ? "" : ` SWC ${errors}`}`;
}

function coreText(p: number, core: Core): string {
  const { started, running } = times(core.number("time"));
  const code = core.number("rt_code");
  const error = runTimeError(code);
  const word = (name: string): string => hex8(core.number(name));
  const byte = (name: string): string => core.number(name).toString(16).padStart(2, "0");
  const lines = [
    `Core ${right(p, 2)}: app "${core.name}", state ${STATES[core.number("cpu_state") & 15]}, app_id ${core.number("app_id")}, running ${running} (${started})`,
    `AP mbox:   cmd      ${byte("mbox_ap_cmd")}  msg     ${word("mbox_ap_msg")}`,
    `MP mbox:   cmd      ${byte("mbox_mp_cmd")}  msg     ${word("mbox_mp_msg")}`,
    `SW error:  line ${right(core.number("sw_line"), 6)}  file    ${word("sw_file")} count ${core.number("sw_count")}`,
    `RT error:  ${error.name.padEnd(6)}  PSR     ${word("psr")} SP ${word("sp")} LR ${word("lr")}`,
  ];
  if (code !== 0) {
    lines.push(`r0-r7: ${["r0", "r1", "r2", "r3", "r4", "r5", "r6", "r7"].map(word).join(" ")}`, `# ${error.name}: ${error.meaning}`);
  }
  return `${lines.join("\n")}\n`;
}

/** The machine as it is: place, version, cores and their text. */
export const MACHINE: CommandTable<YbugSession> = {
  sp: {
    usage: "[root | <core.D> | <chip_x.D> <chip_y.D> [<core.D>]]",
    purpose: "Select chip and core",
    parse(words) {
      if (words.left === 0) return async (session) => session.select(undefined, 0);
      if (words.left === 1) {
        const word = words.text("core");
        if (word === "root") return async (session) => session.select(undefined, 0);
        if (!/^\d+$/.test(word) || Number(word) >= CORE_COUNT)
          throw words.wrong(`core must be from 0 to ${CORE_COUNT - 1}, or root, not ${word}`);
        return async (session) => session.selectCore(Number(word));
      }
      const chip = { x: words.decimal("chip_x", 0, 255), y: words.decimal("chip_y", 0, 255) };
      const core = words.left === 0 ? 0 : words.decimal("core", 0, CORE_COUNT - 1);
      return async (session) => session.select(chip, core);
    },
  },
  sver: {
    usage: "",
    purpose: "Show which software runs there",
    parse: () => async (session) => {
      const found = await (await session.board()).readVersion(await session.core(), session.calls);
      const { name, version, hardware, x, y, virtualCore, physicalCore, buildDate } = found;
      const words = versionText({ version });
      session.out(`${name} ${words} at ${hardware}:${x},${y},${virtualCore} (built ${longTime(buildDate)}) [${physicalCore}]\n`);
    },
  },
  ps: {
    usage: "[<core.D>|d|x|p]",
    purpose: "Show the cores of a chip, or one of them",
    parse(words) {
      const word = words.optional();
      if (word !== undefined && /^\d+$/.test(word)) {
        const p = Number(word);
        if (p >= CORE_COUNT) throw words.wrong(`core must be from 0 to ${CORE_COUNT - 1}, not ${word}`);
        return async (session) => {
          const block = await (await session.board()).readMemory(await session.chip(), vcpuAddress(p), VCPU_SIZE, session.calls);
          session.out(coreText(p, coreOf(block)));
        };
      }
      if (word !== undefined && word !== "d" && word !== "x" && word !== "p") {
        throw words.wrong(`"${word}" is neither a core nor one of d, x, p`);
      }
      return async (session) => {
        const board = await session.board();
        const blocks = await board.readMemory(await session.chip(), vcpuAddress(0), CORE_COUNT * VCPU_SIZE, session.calls);
        const cores = Array.from({ length: CORE_COUNT }, (_, p) => coreOf(blocks.subarray(p * VCPU_SIZE, (p + 1) * VCPU_SIZE)));
        session.out(tableText(cores, word ?? "time"));
      };
    },
  },
  iobuf: {
    usage: "<core.D> [<file.F>]",
    purpose: "Show the text that a core has written, or save it in a file",
    parse(words) {
      const p = words.decimal("core", 0, CORE_COUNT - 1);
      const file = words.optional();
      return async (session) => {
        const board = await session.board();
        const core = { ...(await session.chip()), p };
        const read = (): Promise<string> => board.readIobuf(core, session.calls);
        if (file === undefined) session.out(await read());
        else await writeOutputFile(file, async () => new TextEncoder().encode(await read()));
      };
    },
  },
  led: ledCommand("a chip", 3, async (session, leds) => (await session.board()).setLeds(await session.chip(), leds, session.calls)),
  remap: {
    usage: "<core.D> [phys|virt]",
    purpose: "Take a core out of use until the next boot",
    parse(words) {
      const core = words.decimal("core", 0, CORE_COUNT - 1);
      const numbering = words.left > 0 && words.choice("numbering", ["phys", "virt"]) === "phys" ? "physical" : "virtual";
      return async (session) => (await session.board()).remapCore(await session.chip(), core, numbering, session.calls);
    },
  },
  p2p_route: {
    usage: "[on|off]",
    purpose: "Show or set whether packets travel on to the selected chip; off: the chip with the Ethernet serves them",
    parse(words) {
      const on = words.left === 0 ? undefined : words.choice("state", ["on", "off"]) === "on";
      return async (session) => {
        if (on === undefined) session.out(`Flags 0x${hex8(session.flags).slice(6)}\n`);
        else session.isRouted = on;
      };
    },
  },
};
