import { type ChipInfo, formatChip, LINKS, linkName, type Machine } from "../../machine/index.js";
import { addBoardOptions, withBoard } from "../board.js";
import type { Verb } from "../job.js";
import { parseChips, selectChips } from "../place.js";
import { formatTable } from "../table.js";

/** What a link is. */
type LinkState = "works" | "dead" | "none";

export const verb: Verb = {
  configure: (command) =>
    void addBoardOptions(command).argument("[chips...]", "chips x,y, patterns 0-3,*, or @all (default: chips with a dead link)"),
  examples: ["links # links that should work and do not", "links 0,0 1,0 # where each link of two chips leads"],
  statuses: [3, 4, 5, 9],
  async run(job, command) {
    const selection = command.args.length === 0 ? undefined : parseChips(command.args);
    await withBoard(job, command, async (board) => {
      const { machine } = await board.discover(job.calls);
      const all = [...machine.chips.values()];
      const wanted =
        selection === undefined
          ? all.filter((chip) => states(machine, chip).includes("dead"))
          : selectChips(selection, machine).map(({ x, y }) => machine.chip(x, y));
      const data = wanted.map((chip) => ({
        x: chip.x,
        y: chip.y,
        links: LINKS.map((link) => ({
          link,
          name: linkName(link),
          state: states(machine, chip)[link],
          to: machine.geometry.neighbour(chip.x, chip.y, link) ?? null,
        })),
      }));
      job.result({ board: board.remote, chips: data }, () => {
        if (wanted.length === 0) return `every link between the ${all.length} chips works\n`;
        const rows = wanted.map((chip) => [
          formatChip(chip),
          ...states(machine, chip).map((state, link) => words(machine, chip, state, link as 0)),
        ]);
        const painted = rows.map((row) => row.map((cell) => (cell === "dead" ? job.terminal.paint("bad", cell) : cell)));
        return formatTable([{ title: "chip" }, ...LINKS.map((link) => ({ title: linkName(link) }))], painted, job.terminal.columns);
      });
    });
  },
};

/** Of each of the six links; a link to a chip that is not there is none. */
function states(machine: Machine, chip: ChipInfo): LinkState[] {
  return LINKS.map((link) => {
    const far = machine.geometry.neighbour(chip.x, chip.y, link);
    if (machine.hasLink(chip.x, chip.y, link)) return "works";
    return far === undefined || !machine.hasChip(far.x, far.y) ? "none" : "dead";
  });
}

function words(machine: Machine, chip: ChipInfo, state: LinkState, link: (typeof LINKS)[number]): string {
  if (state !== "works") return state === "dead" ? "dead" : "";
  const far = machine.geometry.neighbour(chip.x, chip.y, link);
  return far === undefined ? "off board" : `to ${formatChip(far)}`;
}
