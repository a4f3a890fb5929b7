import { LINK_COUNT, parseRoutingTable, type RoutingEntry } from "../../machine/index.js";
import { list, optional, record, required } from "../kind.js";
import { stepKind } from "../step.js";
import { appId, chip, flag, inputFile, integer, virtualCore, word } from "../values.js";

const entry = record("a route", {
  key: required(word, "Packets whose key, under the mask, equals this"),
  mask: required(word, "Bits of the key that count"),
  links: optional(list(integer("link", 0, LINK_COUNT - 1), "links, 0 (east) to 5 (south)"), "Links they leave on"),
  cores: optional(list(virtualCore, "virtual cores"), "Cores they go to"),
});

export const routes = stepKind({
  about: "Loads multicast routes into the router of a chip",
  fields: {
    chip: required(chip, "The chip"),
    entries: optional(list(entry, "routes"), "The routes"),
    file: optional(inputFile, "The routes as a text: lines of `key mask links 0,2 cores 1,5`"),
    app: optional(appId, "Application they belong to. Default: that of the script"),
    verify: optional(flag, "Read the entries back. Default: true"),
  },
  needs: () => ["board"],
  check({ entries, file }) {
    if ((entries === undefined) === (file === undefined)) return 'give either "entries" or "file"';
    const dead = entries?.find(({ key, mask }) => (key & mask) >>> 0 !== key);
    return dead === undefined ? undefined : `key 0x${dead.key.toString(16)} has bits outside its mask: the route never matches`;
  },
  files: ({ file }) => (file === undefined ? [] : [{ file, as: "routes" }]),
  describe: ({ chip: { x, y }, entries, file }) => `load ${file?.input ?? `${entries?.length} routes`} into the router of chip ${x},${y}`,
  async run({ chip: place, entries, file: table, app, verify }, { access, signal, file, appId: usual }) {
    const routing = table === undefined ? entries!.map(toRoutingEntry) : parseRoutingTable(new TextDecoder().decode(file(table)));
    const machine = await access.machine();
    const base = await machine.loadRoutes(place, routing, { appId: app ?? usual, verify, signal });
    return { entries: routing.length, firstEntry: base };
  },
});

function toRoutingEntry({
  key,
  mask,
  links = [],
  cores = [],
}: {
  key: number;
  mask: number;
  links?: readonly number[] | undefined;
  cores?: readonly number[] | undefined;
}): RoutingEntry {
  return { key, mask, links: links as RoutingEntry["links"], cores };
}
