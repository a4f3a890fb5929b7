import { SpinnError } from "../../errors.js";
import { chipKey, formatChip, type Machine } from "../../machine/index.js";
import { BMPTransceiver } from "../../transceiver/index.js";
import { eachSlot, listSlots } from "../bmp.js";
import { addBoardOptions, type ChosenBoard, chooseBoard, resolveBoard, withBoard } from "../board.js";
import { writeOutputFile } from "../file.js";
import { plural } from "../format.js";
import { deadLinks, hexagonSvg, hexagonText, legend } from "../hexagons.js";
import type { Job, Verb } from "../job.js";

/** What the sensors of one board say, at the chip that has its Ethernet. */
interface BoardTemperature {
  readonly x: number;
  readonly y: number;
  readonly slot: number;
  readonly topCelsius: number | undefined;
  readonly bottomCelsius: number | undefined;
}

export const verb: Verb = {
  configure: (command) =>
    void addBoardOptions(command)
      .option("--svg <file>", "write the picture as an SVG file")
      .option("--bmp <host>", "BMP that knows the temperatures of the boards (default: that of the board in the inventory)"),
  examples: [
    "map # the machine in the terminal",
    "map --svg machine.svg --host 192.168.240.1",
    "map --bmp 192.168.240.0 # with temperatures",
  ],
  statuses: [3, 4, 9, 74],
  async run(job, command) {
    const { svg, bmp } = command.opts<{ svg?: string; bmp?: string }>();
    const chosen = await chooseBoard(job, command);
    const bmpHost = bmp ?? chosen.bmp;
    await withBoard(job, command, async (board) => {
      const { machine, problems } = await board.discover(job.calls);
      const title = `${board.remote}: ${plural(machine.chips.size, "chip")}`;
      const temperatures =
        bmpHost === undefined ? [] : await readTemperatures(job, { ...resolveBoard(bmpHost, undefined), open: chosen.open }, machine);
      const notes = new Map(temperatures.map((here) => [chipKey(here.x, here.y), celsiusText(here)]));
      if (svg !== undefined) await writeOutputFile(svg, async () => new TextEncoder().encode(hexagonSvg(machine, title, notes)));
      const file = svg === undefined ? {} : { file: svg };
      const data = { board: board.remote, machine, deadLinks: deadLinks(machine), temperatures, problems, ...file };
      const { terminal } = job;
      const paint = terminal.paint.bind(terminal);
      const columns = Number.isFinite(terminal.columns) ? terminal.columns : 160;
      const lines = temperatures.map((here) => `  ${formatChip(here)}   ${celsiusText(here)} (top, bottom of the board)\n`).join("");
      job.result(data, () =>
        svg !== undefined
          ? `${svg}: ${title}\n`
          : `${title}, north up, east right\n\n${hexagonText(machine, columns, paint)}\n${legend(machine, paint)}${lines}`,
      );
      for (const problem of problems) terminal.complain(problem);
    });
  },
};

/** The map is worth drawing without them: a BMP that does not answer is told, and no failure. */
async function readTemperatures(job: Job, at: Pick<ChosenBoard, "host" | "port" | "open">, machine: Machine): Promise<BoardTemperature[]> {
  try {
    const { host, port, open } = at;
    await using bmp = await BMPTransceiver.connect({ host, port, open, signal: job.signal });
    const calls = { signal: job.signal };
    const { slots } = await listSlots(job, bmp);
    const { done } = await eachSlot(job, slots, async (slot) => ({
      slot,
      address: (await bmp.readAddresses(slot, calls)).spinnaker.address,
      sensors: await bmp.readSensors(slot, calls),
    }));
    return [...machine.ethernetChips()].flatMap(({ x, y, ethernet }) => {
      const found = done.find(({ address }) => address === ethernet!.ip);
      if (found === undefined) return [];
      const { temperatureTop, temperatureBottom } = found.sensors;
      return [{ x, y, slot: found.slot, topCelsius: temperatureTop, bottomCelsius: temperatureBottom }];
    });
  } catch (error) {
    if (!(error instanceof SpinnError) || job.signal.aborted) throw error;
    job.terminal.complain(`no temperatures: ${error.message}`);
    return [];
  }
}

function celsiusText({ topCelsius, bottomCelsius }: BoardTemperature): string {
  const one = (value: number | undefined): string => (value === undefined ? "?" : value.toFixed(0));
  return `${one(topCelsius)}/${one(bottomCelsius)} \u00b0C`;
}
