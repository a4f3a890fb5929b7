import { SpinnError } from "../../errors.js";
import type { RoutingEntry } from "../../machine/index.js";
import { decodeRoutingTable, ROUTER_ENTRY, ROUTER_ENTRY_COUNT, ROUTING_ENTRY_SIZE, UNUSED_ROUTE } from "../../machine/index.js";
import { ROUTER_COUNTER_NAMES } from "../../transceiver/index.js";
import { readInputFile } from "../file.js";
import { type CommandTable, hex8 } from "../shell/command.js";
import type { YbugSession } from "./session.js";

const LOWEST_APP = 16;
/** In the order of the registers. */
const COUNTERS =
  "Loc  MC:,Ext  MC:,Loc  PP:,Ext  PP:,Loc  NN:,Ext  NN:,Loc  FR:,Ext  FR:,Dump MC:,Dump PP:,Dump NN:,Dump FR:,Cntr 12:,Cntr 13:,Cntr 14:,Cntr 15:".split(
    ",",
  );
/** The first entry that is handed out: SC&MP keeps entry 0. */
const FIRST_ENTRY = 1;

const right = (value: number, width: number): string => String(value).padStart(width);
const bits = (value: number, count: number): string => (value & (2 ** count - 1)).toString(2).padStart(count, "0");

/** The chip's copy of its routing table, with the entry behind the last one, which ends the chain of blocks. */
async function readCopy(session: YbugSession): Promise<Uint8Array> {
  const board = await session.board();
  const chip = await session.chip();
  const at = Number(await board.readSystemVariable(chip, "rtr_copy", session.calls));
  return board.readMemory(chip, at, (ROUTER_ENTRY_COUNT + 1) * ROUTING_ENTRY_SIZE, session.calls);
}

/**
 * The entries of a route file: 16 bytes each, the last one an end mark. Each names its own place in the row, which must be whole.
 * Throws `ERR_SPINN_FILE`.
 */
function readRouteFile(bytes: Uint8Array, file: string): RoutingEntry[] {
  const fail = (why: string): SpinnError =>
    new SpinnError("ERR_SPINN_FILE", `${file} is no table of routes: ${why}`, {
      hint: "it holds 16 bytes for each route and 16 at its end",
    });
  const count = bytes.length / ROUTING_ENTRY_SIZE - 1;
  if (!Number.isInteger(count)) throw fail(`${bytes.length} bytes are no multiple of 16`);
  if (count < 1 || count >= ROUTER_ENTRY_COUNT) throw fail(`${count} routes, where 1 to ${ROUTER_ENTRY_COUNT - 1} can be`);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const table = new Uint8Array(count * ROUTING_ENTRY_SIZE);
  const seen = new Set<number>();
  for (let i = 0; i < count; i += 1) {
    const place = view.getUint16(i * ROUTING_ENTRY_SIZE, true);
    if (place >= count || seen.has(place)) throw fail(`its ${i + 1}. route goes to place ${place} of ${count}`);
    if (view.getUint32(i * ROUTING_ENTRY_SIZE + 4, true) >= UNUSED_ROUTE) throw fail(`its ${i + 1}. route leads nowhere`);
    seen.add(place);
    table.set(bytes.subarray(i * ROUTING_ENTRY_SIZE, (i + 1) * ROUTING_ENTRY_SIZE), place * ROUTING_ENTRY_SIZE);
  }
  return decodeRoutingTable(table);
}

export const ROUTER: CommandTable<YbugSession> = {
  rtr_load: {
    usage: "<file.F> <app_id.D>",
    purpose: "Load routes from a file",
    parse(words) {
      const file = words.text("file");
      const appId = words.decimal("app_id", LOWEST_APP, 255);
      return async (session) => {
        const entries = readRouteFile(await readInputFile(file, "table of routes"), file);
        await (await session.board()).loadRoutes(await session.chip(), entries, { appId, ...session.calls });
      };
    },
  },
  rtr_init: {
    usage: "",
    purpose: "Clear every route of a chip, whoever owns it",
    parse: () => async (session) => (await session.board()).clearRoutes(await session.chip(), session.calls),
  },
  rtr_dump: {
    usage: "",
    purpose: "Show the routes of a chip",
    parse: () => async (session) => {
      const copy = await readCopy(session);
      const fixed = Number(await (await session.board()).readSystemVariable(await session.chip(), "fr_copy", session.calls));
      session.out("Entry  Route       (Core) (Link)  Key       Mask      AppID  Core\n");
      session.out("-----  765432109876543210 543210  ---       ----      -----  ----\n\n");
      for (let i = 0; i < ROUTER_ENTRY_COUNT; i += 1) {
        const entry = copy.subarray(i * ROUTING_ENTRY_SIZE);
        const [route, owner] = [ROUTER_ENTRY.number(entry, "route"), ROUTER_ENTRY.number(entry, "free")];
        if (route >= UNUSED_ROUTE) continue;
        const keys = `${hex8(ROUTER_ENTRY.number(entry, "key"))}  ${hex8(ROUTER_ENTRY.number(entry, "mask"))}`;
        session.out(`${right(i, 4)}:  ${routeText(route)}  ${keys}  ${right(owner & 255, 5)}  ${right((owner >> 8) & 31, 4)}\n`);
      }
      session.out(`  FR:  ${routeText(fixed)}\n`);
    },
  },
  rtr_diag: {
    usage: "[clr]",
    purpose: "Show what the router of a chip has counted; clr clears it afterwards",
    parse(words) {
      const clear = words.left > 0 && words.choice("option", ["clr"]) === "clr";
      return async (session) => {
        const board = await session.board();
        const chip = await session.chip();
        const found = await board.readRouterDiagnostics(chip, session.calls);
        const { control, monitorCore, wait1Cycles, wait2Cycles, errorStatus, counters } = found;
        session.out(`\nCtrl Reg:  0x${hex8(control)} (Mon ${monitorCore}, Wait1 ${wait1Cycles}, Wait2 ${wait2Cycles})\n`);
        session.out(`Err Stat:  ${errorStatus === undefined ? "lost on the way" : `0x${hex8(errorStatus)}`}\n\n`);
        for (const [i, name] of ROUTER_COUNTER_NAMES.entries()) session.out(`${COUNTERS[i]!.padEnd(10)} ${counters[name]}\n`);
        if (clear) await board.clearRouterCounters(chip, session.calls);
      };
    },
  },
  rtr_heap: {
    usage: "",
    purpose: "Show which routes of a chip are handed out, and to whom",
    parse: () => async (session) => {
      const copy = await readCopy(session);
      const free = Number(await (await session.board()).readSystemVariable(await session.chip(), "rtr_free", session.calls));
      session.out(`\nRouter\n------\n${blocksText(copy, FIRST_ENTRY, "BLOCK")}${blocksText(copy, free, "FREE ")}\n`);
    },
  },
};

function routeText(route: number): string {
  return `${bits(route >>> 6, 18)} ${bits(route, 6)}`;
}

/** A chain of blocks: all of them by their neighbours, or the free ones by their links. A chain that leaves the table or goes round ends. */
function blocksText(copy: Uint8Array, first: number, kind: "BLOCK" | "FREE "): string {
  let text = "";
  const seen = new Set<number>();
  for (let at = first; at !== 0; ) {
    if (at > ROUTER_ENTRY_COUNT || seen.has(at)) return `${text}# the chain is damaged: it leads to ${at}\n`;
    seen.add(at);
    const entry = copy.subarray(at * ROUTING_ENTRY_SIZE);
    const [next, free] = [ROUTER_ENTRY.number(entry, "next"), ROUTER_ENTRY.number(entry, "free")];
    const owner = kind === "BLOCK" && (free & 0x8000) !== 0 ? `AppID  ${right(free & 255, 3)}` : `Free ${right(free, 5)}`;
    text += `${kind} ${right(at, 5)}  Next ${right(next, 5)}  ${owner}  Size ${next === 0 ? 0 : next - at}\n`;
    at = kind === "BLOCK" ? next : free;
  }
  return text;
}
