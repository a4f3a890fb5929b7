import { BOOT_PORT } from "../../wire/index.js";
import { parsePort } from "../board.js";
import { formatDuration, plural } from "../format.js";
import { hearHellos, MAX_BOARDS } from "../hello.js";
import type { Verb } from "../job.js";
import { parseDuration, parseInteger } from "../number.js";
import { ExitStatus } from "../status.js";
import { formatTable } from "../table.js";

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
    void command
      .option("--for <time>", "how long to listen; unbooted boards speak every 4.1 s (default: 6s)", (text) => parseDuration("--for", text))
      .option("--until <n>", "end as soon as so many boards were heard", (text) => parseInteger("--until", text, 1, MAX_BOARDS))
      .option("--listen <address>", "own address to listen on (default: 0.0.0.0: boards broadcast)")
      .option("--port <n>", `UDP port they speak to (default: ${BOOT_PORT})`, parsePort),
  examples: ["discover # boards on this network that have power and are not booted", "discover --until 1 --for 10s --json"],
  statuses: [1, 4],
  async run(job, command) {
    const { for: ms = DEFAULT_MS, until = MAX_BOARDS, listen = "0.0.0.0", port = BOOT_PORT } = command.opts<Options>();
    const startedAt = performance.now();
    const found = await hearHellos({
      listen,
      port,
      forMs: ms,
      signal: job.signal,
      isEnough: ({ size }) => size >= until,
      onListening: (local) => job.say(`listening for boards on ${local} for ${formatDuration(ms)}`),
    });
    const boards = [...found.values()];
    job.result({ boards, listenedMs: Math.round(performance.now() - startedAt) }, () => {
      if (boards.length === 0) return "no unbooted board was heard\n";
      const rows = boards.map(({ host, rom, firstHeardMs }) => [host, rom, formatDuration(firstHeardMs)]);
      return `${formatTable([{ title: "board" }, { title: "boot ROM" }, { title: "heard after", align: "right" }], rows, job.terminal.columns)}${plural(boards.length, "board")}\n`;
    });
    if (boards.length === 0) job.say("boards that are booted say nothing: try spinn info --host HOST, or spinn doctor HOST");
    return boards.length === 0 ? ExitStatus.NO : ExitStatus.DONE;
  },
};
