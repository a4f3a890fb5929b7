import { addBoardOptions, withBoard } from "../board.js";
import { writeOutputFile } from "../file.js";
import { plural } from "../format.js";
import { deadLinks, hexagonSvg, hexagonText, legend } from "../hexagons.js";
import type { Verb } from "../job.js";

export const verb: Verb = {
  configure: (command) => void addBoardOptions(command).option("--svg <file>", "write the picture as an SVG file"),
  examples: ["map # the machine in the terminal", "map --svg machine.svg --host 192.168.240.1"],
  statuses: [3, 4, 9, 74],
  async run(job, command) {
    const { svg } = command.opts<{ svg?: string }>();
    await withBoard(job, command, async (board) => {
      const { machine, problems } = await board.discover(job.calls);
      const title = `${board.remote}: ${plural(machine.chips.size, "chip")}`;
      if (svg !== undefined) await writeOutputFile(svg, async () => new TextEncoder().encode(hexagonSvg(machine, title)));
      const data = { board: board.remote, machine, deadLinks: deadLinks(machine), problems, ...(svg === undefined ? {} : { file: svg }) };
      const { terminal } = job;
      const paint = terminal.paint.bind(terminal);
      const columns = Number.isFinite(terminal.columns) ? terminal.columns : 160;
      job.result(data, () =>
        svg !== undefined
          ? `${svg}: ${title}\n`
          : `${title}, north up, east right\n\n${hexagonText(machine, columns, paint)}\n${legend(machine, paint)}`,
      );
      for (const problem of problems) terminal.complain(problem);
    });
  },
};
