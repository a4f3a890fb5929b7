import { hex32 } from "../../errors.js";
import { type CoreCoordinates, coreStateName, formatCore } from "../../machine/index.js";
import type { CoreStatus } from "../../transceiver/index.js";
import { addBoardOptions, withBoard } from "../board.js";
import { formatTime } from "../format.js";
import type { Verb } from "../job.js";
import { parsePlace } from "../place.js";
import { formatPairs } from "../table.js";
import { usage } from "../usage.js";

export const verb: Verb = {
  configure: (command) => void addBoardOptions(command).argument("<core>", "core x,y,p", parsePlace),
  examples: ["registers 1,2,3 # what a crashed core left, and what its error means", "registers 0,0,1 --json"],
  statuses: [3, 4, 5, 9],
  async run(job, command) {
    const [place] = command.processedArgs as [{ x: number; y: number; p?: number }];
    if (place.p === undefined) throw usage("registers belong to a core", "a core is written x,y,p, e.g. 1,2,3");
    const core: CoreCoordinates = { x: place.x, y: place.y, p: place.p };
    await withBoard(job, command, async (board) => {
      const status = await board.readCoreStatus(core, { signal: job.signal });
      const { state, ...rest } = status;
      job.result({ board: board.remote, ...rest, state: coreStateName(state), stateCode: state }, () => registersText(status));
    });
  },
};

function registersText(status: CoreStatus): string {
  const { runTimeError, registers, user, softwareErrors } = status;
  const lines: [string, string][] = [
    ["core", `${formatCore(status)}, physical ${status.physicalCore}`],
    ["state", coreStateName(status.state)],
    ["application", status.appId === 0 ? `${status.appName} (the system)` : `${status.appName}, id ${status.appId}`],
    ["started", formatTime(status.startTime)],
  ];
  if (runTimeError !== undefined) lines.push(["error", `${runTimeError.name}: ${runTimeError.meaning}`]);
  if (softwareErrors.count > 0) lines.push(["software errors", `${softwareErrors.count}, the last in line ${softwareErrors.line}`]);
  for (const [name, value] of Object.entries(registers)) lines.push([name, hex32(value)]);
  for (const [i, value] of user.entries()) lines.push([`user${i}`, `${hex32(value)} (${value})`]);
  lines.push(["text", status.iobufAddress === 0 ? "none" : `at ${hex32(status.iobufAddress)}: spinn iobuf ${formatCore(status)}`]);
  const note = runTimeError === undefined ? "registers are kept from the last crash; this core has not crashed\n" : "";
  return `${formatPairs(lines)}${note}`;
}
