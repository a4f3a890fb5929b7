import { createInterface } from "node:readline";
import { parseSlots } from "../bmp.js";
import { addBoardOptions, chooseBoard, inventoryPath, parsePort, resolveBoard } from "../board.js";
import { readInventory } from "../inventory.js";
import type { Verb } from "../job.js";
import { Interpreter, statusAfter } from "../ybug/interpreter.js";
import { YbugSession } from "../ybug/session.js";

interface Options {
  readonly bmp?: string;
  readonly bootPort?: number;
  readonly keepGoing?: boolean;
  readonly timeout?: number;
}

export const verb: Verb = {
  configure: (command) =>
    void addBoardOptions(command)
      .argument("[script]", "file of ybug commands (default: stdin; a prompt when that is a terminal)")
      .option("--bmp <host>", "BMP for power and reset: host, host:port, or host/slots (default: that of --host in the inventory, slot 0)")
      .option("--boot-port <n>", "UDP port of the boot ROM (default: 54321)", parsePort)
      .option("-k, --keep-going", "go on after a line that fails; the status is then 7"),
  examples: [
    "ybug hello.ybug --host 192.168.240.1 # stops at the first error, and names file and line",
    "ybug --host 192.168.240.1 # a prompt; help lists the commands",
    "ybug night.ybug --keep-going --json # an object per command",
  ],
  statuses: [1, 3, 4, 5, 6, 7, 8, 9, 74],
  async run(job, command) {
    const options = command.opts<Options>();
    const [script] = command.args;
    const { host, port, bmp, open, network } = await chooseBoard(job, command);
    await using session = new YbugSession(job, {
      board: { host, port, open },
      bmp: await bmpOf(options.bmp ?? bmp),
      bootPort: options.bootPort ?? network?.bootPort,
      probeMs: options.timeout,
    });
    const interpreter = new Interpreter(session, { keepGoing: options.keepGoing, quiet: job.terminal.isQuiet });
    const input = job.terminal.input;
    if (script !== undefined) await interpreter.runFile(script);
    else if (input !== undefined && job.terminal.isInteractive && !job.isJson) await interpreter.runPrompt(input, job.terminal.output);
    else if (input !== undefined)
      await interpreter.runStream(createInterface({ input, crlfDelay: Number.POSITIVE_INFINITY, signal: job.signal }));
    return statusAfter(interpreter.failures);
  },
};

/** `host/slots` as ybug writes it; slot 0 when none is said. */
async function bmpOf(text: string | undefined) {
  if (text === undefined) return undefined;
  const [name = "", slots] = text.split("/", 2);
  const { host, port } = resolveBoard(name, await readInventory(inventoryPath()));
  return { host, port, slots: slots === undefined ? [0] : parseSlots(slots) };
}
