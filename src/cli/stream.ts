import { access, constants, stat } from "node:fs/promises";
import { dirname } from "node:path";
import { setImmediate as turn } from "node:timers/promises";
import { SpinnError } from "../errors.js";
import { type Job, type ResultData, toJson } from "./job.js";

/** What both kinds of streams are told. */
export interface StreamOptions {
  readonly count?: number;
  readonly for?: number;
  readonly ndjson?: boolean;
  readonly out?: string;
  readonly rotate?: number;
  readonly keep?: number;
  readonly force?: boolean;
}

/** Why a stream was left: enough came, time is up, its source ended it, nobody reads stdout any more, or Ctrl-C. */
export type StreamEnd = "count" | "time" | "source" | "reader" | "interrupt";

/** A source of frames as the loop sees it. */
export interface StreamFeed<Frame> {
  /** The next frame. Throws `ERR_SPINN_END_OF_STREAM` at the source's own end. */
  next(signal: AbortSignal): Promise<Frame>;
  /** Puts the frame where it belongs; tells how much it counts. */
  take(frame: Frame): Promise<number> | number;
  /** Draws what is drawn over again, in front of each line. */
  draw?(): void;
  /** The line of a person who watches. `perSecond` is the rate of what `take` counted, since the last line. */
  line(taken: number, perSecond: number): string;
}

export interface StreamOutcome {
  readonly end: StreamEnd;
  /** Sum of what `take` told. */
  readonly taken: number;
  readonly seconds: number;
}

/** Between two drawings of the line on a terminal, ms. */
const DRAW_MS = 100;
/** Longest time on frames that wait already, ms: then sockets, signals and timers have their turn. */
const TURN_MS = 10;
/** Data that may wait for stdout, bytes. Above it no frame is taken. */
const MAX_BACKLOG = 256 * 1024;
/** Between two lines on a stderr that is no terminal, with --verbose, ms. */
const TELL_MS = 1000;

/**
 * Takes frames until enough came, time is up, or the stream ends, and shows how it goes on stderr. A stdout that is slow holds the source back.
 * Throws what the source and the sinks throw.
 */
export async function follow<Frame>(job: Job, options: StreamOptions, feed: StreamFeed<Frame>): Promise<StreamOutcome> {
  const { signal, terminal } = job;
  const { count = Number.POSITIVE_INFINITY } = options;
  const deadline = options.for === undefined ? undefined : AbortSignal.timeout(options.for);
  const stop = AbortSignal.any([signal, terminal.outputGone, ...(deadline === undefined ? [] : [deadline])]);
  const stopped = new Promise<void>((resolve) => stop.addEventListener("abort", () => resolve(), { once: true }));
  const startedAt = performance.now();
  const rate = new Rate(startedAt);
  let taken = 0;
  const line = (): string => feed.line(taken, rate.since(taken, performance.now()));
  const told = job.isVerbose && !terminal.isWatched;
  const timer = setInterval(
    () => {
      feed.draw?.();
      if (told) job.say(line());
      else terminal.progress.note(line());
    },
    told ? TELL_MS : DRAW_MS,
  );
  const end = async (): Promise<StreamEnd> => {
    let turnAt = startedAt;
    while (taken < count) {
      if (stop.aborted) return signal.aborted ? "interrupt" : terminal.outputGone.aborted ? "reader" : "time";
      try {
        taken += await feed.take(await feed.next(stop));
      } catch (error) {
        if (error instanceof SpinnError && error.code === "ERR_SPINN_END_OF_STREAM") return "source";
        if (!stop.aborted || !(error instanceof SpinnError && error.code === "ERR_SPINN_ABORTED")) throw error;
      }
      if (performance.now() - turnAt > TURN_MS) {
        await turn();
        turnAt = performance.now();
      }
      if (terminal.backlogBytes > MAX_BACKLOG) await Promise.race([terminal.flush(), stopped]);
    }
    return "count";
  };
  try {
    return { end: await end(), taken, seconds: (performance.now() - startedAt) / 1000 };
  } finally {
    clearInterval(timer);
    terminal.progress.clear();
  }
}

/** Objects on stdout, a line for each, in the envelope that everything from spinn has. */
export function writeLines(job: Job, kind: string, objects: readonly Record<string, unknown>[]): void {
  job.terminal.out(objects.map((object) => `${toJson({ schema: `spinn.${kind}`, version: 1, ...object })}\n`).join(""));
}

/** How a stream went: on stdout where that is not full of lines for another program, else on stderr. */
export function sayOutcome(job: Job, data: ResultData, words: string, lines: boolean): void {
  if (job.isJson || !lines) job.result(data, () => `${words}\n`);
  else job.say(words);
}

/** Whether `--out` can be written, as far as that shows before anybody is called. Throws `ERR_SPINN_FILE`. */
export async function checkOut({ out, rotate, force }: StreamOptions): Promise<void> {
  if (out === undefined) return;
  await access(dirname(out), constants.W_OK).catch((cause: Error) => {
    throw new SpinnError("ERR_SPINN_FILE", `${out} cannot be written: ${cause.message}`, { cause });
  });
  if (force || rotate !== undefined) return;
  const found = await stat(out).catch(() => undefined);
  if (found !== undefined) throw new SpinnError("ERR_SPINN_FILE", `${out} is there already`, { hint: "take another name, or add --force" });
}

/** What `--rotate`, `--keep` and `--force` mean for a file. */
export function fileOptions(options: StreamOptions): { rotateBytes?: number; keepFiles?: number; overwrite: boolean } {
  return {
    overwrite: options.force === true,
    ...(options.rotate === undefined ? {} : { rotateBytes: options.rotate }),
    ...(options.keep === undefined ? {} : { keepFiles: options.keep }),
  };
}

/** `12`, `940`, `12.3k`, `1.20M`: counts and rates in three digits. */
export function formatCount(value: number): string {
  if (value < 999.5) return value >= 9.95 || Number.isInteger(value) ? value.toFixed(0) : value.toFixed(1);
  const [scaled, unit] = value < 999_500 ? [value / 1e3, "k"] : [value / 1e6, "M"];
  return `${scaled.toFixed(scaled < 9.995 ? 2 : scaled < 99.95 ? 1 : 0)}${unit}`;
}

/** `buffer 31%`: how much of it is not empty. */
export function formatFill(stats: { readonly frames: number; readonly empty: number }): string {
  return `buffer ${Math.round((100 * (stats.frames - stats.empty)) / stats.frames)}%`;
}

class Rate {
  #at: number;
  #taken = 0;

  constructor(now: number) {
    this.#at = now;
  }

  since(taken: number, now: number): number {
    const perSecond = now > this.#at ? ((taken - this.#taken) * 1000) / (now - this.#at) : 0;
    this.#at = now;
    this.#taken = taken;
    return perSecond;
  }
}
