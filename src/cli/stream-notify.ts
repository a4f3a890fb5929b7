import { EIEIOConnection } from "../connections/index.js";
import { SpinnError } from "../errors.js";
import { type EventFrame, type LiveEvents, type LiveRun, LiveRuns, NOTIFICATION_PORT } from "../services/stream/index.js";
import { parsePort } from "./board.js";
import { plural } from "./format.js";
import type { Job } from "./job.js";
import type { EventPictures } from "./stream-raster.js";
import { usage } from "./usage.js";

/** Where events come from, for the loop over them and for the words at the end. */
export interface EventSource extends AsyncDisposable {
  readonly live: LiveEvents;
  next(signal: AbortSignal): Promise<EventFrame>;
  /** Members of the result that tell of it. */
  data(): Readonly<Record<string, unknown>>;
  /** What to look at when nothing comes. */
  readonly hint: string;
}

/** Where the tool chain finds us. */
export interface NotifyAddress {
  readonly host: string;
  readonly port: number;
}

/** After a pause, events may still be on their way; they are waited for so long, ms. */
const GRACE_MS = 200;

/** `PORT`, `HOST:PORT`, or nothing. Throws `ERR_SPINN_ARGUMENT`. */
export function parseNotify(text: string | true): NotifyAddress {
  if (text === true) return { host: "127.0.0.1", port: NOTIFICATION_PORT };
  const match = /^(?:([^\s:]+):)?(\w+)$/.exec(text);
  if (match === null)
    throw usage(`--notify: "${text}" is no port`, "write e.g. --notify 19999, or --notify 0.0.0.0:19999 for a tool chain elsewhere");
  return { host: match[1] ?? "127.0.0.1", port: parsePort(match[2]!) };
}

/** Waits for the tool chain, which tells of its runs; each says what is sent and from where. */
export async function fromToolChain(
  job: Job,
  notify: NotifyAddress,
  pictures: EventPictures,
  options: { readonly label?: readonly string[]; readonly runs?: number; readonly port?: number },
): Promise<EventSource> {
  const notifications = await EIEIOConnection.open({ localHost: notify.host, localPort: notify.port, signal: job.signal });
  // Which boards there are is known with the first database, and on which of our addresses they answer then as well. Until then, and from any
  // other board, nothing is taken.
  const events = await EIEIOConnection.open({ localHost: "0.0.0.0", signal: job.signal }).catch(async (error: unknown) => {
    await notifications.close();
    throw error;
  });
  let over = false;
  const runs = await LiveRuns.open(notifications, events, {
    labels: options.label,
    ...(options.port === undefined ? {} : { tagOptions: { port: options.port } }),
    onRun: (run) => {
      const { database, keyMap } = run;
      pictures.show(keyMap, `Live events of ${labelsOf(run).join(", ")}`, database.stepMs);
      job.leftBehind = `${tagWords(run)} point at this computer until somebody sets them anew`;
      job.say(
        `${database.path}: ${labelsOf(run).join(", ") || "no live output"}${run.tags.length === 0 ? "" : ` through ${tagWords(run)}`}`,
      );
    },
    onStart: () => job.say(`run ${runs.notifications.stats.starts} started`),
    onPause: () => {
      const { pauses } = runs.notifications.stats;
      job.say(`run ${pauses} paused`);
      if (options.runs === undefined || pauses < options.runs) return;
      setTimeout(() => {
        over = true;
        void runs.live.close();
      }, GRACE_MS).unref();
    },
    onError: (error) => {
      const { message, hint } = error as { message: string; hint?: string };
      job.say(`the tool chain was not answered: ${message}${hint === undefined ? "" : `\n  ${hint}`}`);
    },
  });
  job.say(`waiting for the tool chain on ${notifications.local}`);
  return {
    live: runs.live,
    next: async (signal) => {
      try {
        return await runs.live.getFrame({ signal });
      } catch (error) {
        if (!over || !(error instanceof SpinnError && error.code === "ERR_SPINN_CLOSED")) throw error;
        throw new SpinnError("ERR_SPINN_END_OF_STREAM", `${plural(options.runs!, "run")} are over`);
      }
    },
    data: () => {
      const { databases, starts, pauses, failed } = runs.notifications.stats;
      const { database, tags = [] } = runs.run ?? {};
      return { notify: notifications.local, database: database?.path ?? null, tags, databases, starts, pauses, failed };
    },
    hint: "did the tool chain find this port, and does the run send live output? It says so in its log",
    [Symbol.asyncDispose]: () => runs.close(),
  };
}

function labelsOf({ keyMap }: LiveRun): string[] {
  return [...new Set(keyMap.ranges.map(({ label }) => label))];
}

function tagWords({ tags }: LiveRun): string {
  return tags.map(({ board, tag }) => `tag ${tag} of ${board}`).join(", ");
}
