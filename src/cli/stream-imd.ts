import {
  FrameFileWriter,
  IMDClient,
  type IMDClientStats,
  type IMDFrame,
  imdFrameToJson,
  type OverflowPolicy,
  type Range,
  type TrajectoryReport,
  TrajectorySummary,
} from "../services/stream/index.js";
import { parsePort } from "./board.js";
import { formatBytes, formatDuration, plural } from "./format.js";
import type { Job } from "./job.js";
import { ExitStatus } from "./status.js";
import { checkOut, fileOptions, follow, formatCount, formatFill, type StreamOptions, sayOutcome, writeLines } from "./stream.js";
import { usage } from "./usage.js";

export interface IMDStreamOptions extends StreamOptions {
  readonly atoms?: number;
  readonly buffer?: number;
  readonly overflow?: OverflowPolicy;
  readonly every?: number;
  readonly report?: boolean;
  readonly timeout?: number;
}

/** `HOST:PORT` of a simulation. Throws `ERR_SPINN_ARGUMENT`. */
export function parseServer(text: string | undefined): { readonly host: string; readonly port: number } {
  const match = /^([^\s:]+):(\w+)$/.exec(text ?? "");
  if (match === null) {
    throw usage(
      text === undefined ? "where the simulation listens is missing" : `"${text}" is no HOST:PORT`,
      "write e.g. spinn stream imd localhost:8888 --atoms 1000",
    );
  }
  return { host: match[1]!, port: parsePort(match[2]!) };
}

/** Follows a simulation over IMD. Everything is checked before it is called: LAMMPS ends its run when a client comes and leaves at once. */
export async function streamIMD(job: Job, address: string | undefined, options: IMDStreamOptions): Promise<number> {
  const { host, port } = parseServer(address);
  if (options.atoms === undefined)
    throw usage("the number of atoms is missing", "give --atoms N: as many as are in the group that the simulation sends");
  const lines = options.ndjson === true || !(options.out !== undefined || options.report);
  await checkOut(options);
  await using client = await IMDClient.connect(host, port, options.atoms, {
    signal: job.signal,
    ...(options.buffer === undefined ? {} : { bufferSizeBytes: options.buffer }),
    ...(options.overflow === undefined ? {} : { overflow: options.overflow }),
    ...(options.every === undefined ? {} : { trate: options.every }),
    ...(options.timeout === undefined ? {} : { timeoutMs: options.timeout }),
  });
  const session = client.getIMDSessionInfo();
  await using file =
    options.out === undefined ? undefined : await FrameFileWriter.forIMD(options.out, session, options.atoms, fileOptions(options));
  const summary = options.report ? new TrajectorySummary() : undefined;
  let step: number | undefined;
  const outcome = await follow<IMDFrame>(job, options, {
    next: (signal) => client.getIMDFrame({ signal }),
    async take(frame) {
      step = frame.step ?? step;
      summary?.add(frame);
      if (lines) writeLines(job, "stream.frame", [imdFrameToJson(frame)]);
      await file?.write(frame);
      return 1;
    },
    line: (taken, perSecond) => imdLine({ taken, perSecond, step, paused: client.paused, stats: client.stats }),
  });
  const { stats } = client;
  await client.stop();
  await file?.close();
  const { end, taken, seconds } = outcome;
  const data = {
    source: "imd",
    server: `${host}:${port}`,
    protocol: session.version,
    end,
    frames: taken,
    seconds,
    framesPerSecond: taken / seconds,
    lastStep: step ?? null,
    bytes: stats.bytesRead,
    dropped: stats.dropped,
    pauses: stats.pausesSent,
    pausedSeconds: stats.pausedMs / 1000,
    ...(file === undefined ? {} : { file: { path: options.out, frames: file.frames, bytes: file.bytesWritten } }),
    ...(summary === undefined ? {} : { trajectory: summary.report }),
  };
  const to = file === undefined ? "" : `; ${options.out} has ${plural(file.frames, "frame")}, ${formatBytes(file.bytesWritten)}`;
  const words = `${plural(taken, "frame")} in ${formatDuration(1000 * seconds)}, ${formatCount(taken / seconds)}/s, ${pauseWords(stats)}${droppedWords(stats)}${to}`;
  sayOutcome(job, data, summary === undefined ? words : `${words}\n${reportText(summary.report)}`, lines);
  job.signal.throwIfAborted();
  if (end === "count" || options.count === undefined || end === "reader") return ExitStatus.DONE;
  job.say(`${plural(options.count, "frame")} were asked for`);
  return ExitStatus.NO;
}

export interface IMDLineState {
  readonly taken: number;
  readonly perSecond: number;
  readonly step: number | undefined;
  readonly paused: boolean;
  readonly stats: Pick<IMDClientStats, "frames" | "empty" | "pausesSent" | "pausedMs" | "bytesRead" | "dropped">;
}

/** `1.20k frames  step 512  330/s  12.0 MB  buffer 31%  3 pauses (1.2 s), paused now`. */
export function imdLine({ taken, perSecond, step, paused, stats }: IMDLineState): string {
  const at = step === undefined ? "" : `  step ${step}`;
  const now = paused ? ", paused now" : "";
  return `${formatCount(taken)} frames${at}  ${formatCount(perSecond)}/s  ${formatBytes(stats.bytesRead)}  ${formatFill(stats)}  ${pauseWords(stats)}${now}${droppedWords(stats)}`;
}

function pauseWords({ pausesSent, pausedMs }: Pick<IMDClientStats, "pausesSent" | "pausedMs">): string {
  return pausesSent === 0 ? "no pauses" : `${plural(pausesSent, "pause")} (${formatDuration(pausedMs)})`;
}

function droppedWords({ dropped }: Pick<IMDClientStats, "dropped">): string {
  return dropped === 0 ? "" : `, ${formatCount(dropped)} dropped`;
}

/** What a trajectory did, a line for each quantity, in the units of the engine. */
export function reportText(report: TrajectoryReport): string {
  const rows: [string, Range | undefined][] = [
    ...Object.entries(report.energies),
    ["displacement", report.displacement],
    ["radius of gyration", report.radiusOfGyration],
    ["force", report.force],
  ];
  const lines = rows.flatMap(([name, range]) =>
    range === undefined
      ? []
      : [`${name.padEnd(18)}  ${[range.min, range.mean, range.max].map((value) => value.toPrecision(6).padStart(12)).join("")}`],
  );
  const odd = report.notFinite === 0 ? [] : [`${plural(report.notFinite, "frame")} with coordinates that are no numbers`];
  return [`${"".padEnd(18)}  ${["least", "mean", "most"].map((word) => word.padStart(12)).join("")}`, ...lines, ...odd].join("\n");
}
