import { type FoundBoard, findBoards, MAX_FOUND_BOARDS } from "../../transceiver/index.js";
import { BOOT_PORT } from "../../wire/index.js";
import { parsePort } from "../board.js";
import { formatDuration, plural } from "../format.js";
import type { Job, Verb } from "../job.js";
import { parseDuration, parseInteger } from "../number.js";
import { ExitStatus } from "../status.js";
import { formatTable } from "../table.js";
import { addViaOption, type Via, viaOf, withController } from "../via.js";

interface Options {
  readonly for?: number;
  readonly until?: number;
  readonly listen?: string;
  readonly port?: number;
}

/** Longer than the pause between two hellos. */
const DEFAULT_MS = 6000;

export const verb: Verb = {
  configure: (command) =>
    void addViaOption(command, "else this computer listens")
      .option("--for <time>", "how long to listen; unbooted boards speak every 4.1 s (default: 6s)", (text) => parseDuration("--for", text))
      .option("--until <n>", "end as soon as so many boards were heard", (text) => parseInteger("--until", text, 1, MAX_FOUND_BOARDS))
      .option("--listen <address>", "own address to listen on (default: 0.0.0.0: boards broadcast)")
      .option("--port <n>", `UDP port they speak to (default: ${BOOT_PORT})`, parsePort),
  examples: ["discover # boards on this network that have power and are not booted", "discover --until 1 --for 10s --json"],
  statuses: [1, 4],
  async run(job, command) {
    const options = command.opts<Options>();
    const startedAt = performance.now();
    const via = await viaOf(command, ["listen"]);
    const boards = via === undefined ? await listen(job, options) : await ask(job, via, options);
    const listenedMs = Math.round(performance.now() - startedAt);
    job.result({ boards, listenedMs }, () => {
      if (boards.length === 0) return "no unbooted board was heard\n";
      const rows = boards.map(({ host, rom, firstHeardMs }) => [host, rom, formatDuration(firstHeardMs)]);
      return `${formatTable([{ title: "board" }, { title: "boot ROM" }, { title: "heard after", align: "right" }], rows, job.terminal.columns)}${plural(boards.length, "board")}\n`;
    });
    if (boards.length === 0) job.say("boards that are booted say nothing: try spinn info --host HOST, or spinn doctor HOST");
    return boards.length === 0 ? ExitStatus.NO : ExitStatus.DONE;
  },
};

function listen(job: Job, { for: forMs = DEFAULT_MS, until, listen: localHost, port }: Options): Promise<FoundBoard[]> {
  const onListening = (local: string): void => job.say(`listening for boards on ${local} for ${formatDuration(forMs)}`);
  return findBoards({ forMs, until, localHost, port, signal: job.signal, onListening });
}

/** The same, where the controller is. */
function ask(job: Job, via: Via, { for: forMs = DEFAULT_MS, until, listen: address, port }: Options): Promise<FoundBoard[]> {
  return withController(job, via, async (controller) => {
    job.say(`listening for boards where ${via.host}:${via.port} is, for ${formatDuration(forMs)}`);
    const seconds = forMs / 1000;
    const found = (await controller.run("find_boards", { seconds, until, address, port }, { signal: job.signal })) as {
      host: string;
      rom: string;
      first_heard_ms: number;
    }[];
    return found.map(({ host, rom, first_heard_ms: firstHeardMs }) => ({ host, rom, firstHeardMs }));
  });
}
