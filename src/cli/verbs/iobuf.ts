import { setTimeout as sleep } from "node:timers/promises";
import { type CoreCoordinates, formatCore } from "../../machine/index.js";
import type { Transceiver } from "../../transceiver/index.js";
import { addBoardOptions, withBoard } from "../board.js";
import { coreTexts, withCore } from "../core-text.js";
import type { Job, Verb } from "../job.js";
import { parseDuration } from "../number.js";
import { isExact, parseSelection, selectCores } from "../place.js";

interface Options {
  readonly follow?: boolean;
  readonly every?: number;
  readonly empty?: boolean;
}

const EVERY_MS = 500;

export const verb: Verb = {
  configure: (command) =>
    void addBoardOptions(command)
      .argument("<cores...>", "cores: 1,2,3 or 1,2,3-5, a chip 1,2 for all its cores, 0-3,*,1 by pattern, @all")
      .option("-f, --follow", "go on printing what is written, until Ctrl-C; with --json a line per piece")
      .option("--every <time>", "pause between two looks with --follow (default: 500ms)", (text) => parseDuration("--every", text)),
  examples: [
    "iobuf 0,0,1 # the text of one core as it is",
    "iobuf @all | grep -i error # of all cores, each line with its core",
    "iobuf 1,2,3-5 --follow",
  ],
  statuses: [3, 4, 5, 9],
  async run(job, command) {
    const selection = parseSelection(command.args);
    const options = command.opts<Options>();
    await withBoard(job, command, async (board) => {
      const machine = isExact(selection) ? undefined : (await board.discover(job.calls)).machine;
      const cores = selectCores(selection, machine);
      if (options.follow) await follow(job, board, cores, options.every ?? EVERY_MS);
      else await once(job, board, cores);
    });
  },
};

async function once(job: Job, board: Transceiver, cores: readonly CoreCoordinates[]): Promise<void> {
  const texts = await board.readIobufs(cores, job.calls);
  job.result({ board: board.remote, cores: texts }, () => coreTexts(texts));
  if (!job.isJson && texts.every(({ text }) => text === "")) job.say("no text has been written");
}

/** Prints what was added since the last look. A core that was started again begins anew. */
async function follow(job: Job, board: Transceiver, cores: readonly CoreCoordinates[], everyMs: number): Promise<void> {
  const seen = new Map<string, string>();
  const stop = AbortSignal.any([job.signal, job.terminal.outputGone]);
  while (!stop.aborted) {
    for (const { text, ...core } of await board.readIobufs(cores, { signal: job.signal })) {
      const name = formatCore(core);
      const before = seen.get(name) ?? "";
      const added = text.startsWith(before) ? text.slice(before.length) : text;
      // A line that is still being written waits for its end, unless there is but one core to follow.
      const whole = cores.length === 1 ? added : added.slice(0, added.lastIndexOf("\n") + 1);
      if (whole === "") continue;
      seen.set(name, text.startsWith(before) ? before + whole : whole);
      job.result({ ...core, text: whole }, () => (cores.length === 1 ? whole : withCore(core, whole)), "iobuf.text");
    }
    await sleep(everyMs, undefined, { signal: stop }).catch(() => undefined);
  }
  job.signal.throwIfAborted();
}
