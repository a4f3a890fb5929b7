import { readMemory as readMemoryRequest, readRequests } from "../commands/index.js";
import type { PipelineCounters, SCPRequestPipeLine } from "../connections/index.js";
import { checkInteger, throwIfAborted } from "../errors.js";
import { type ChipCoordinates, SDRAM } from "../machine/index.js";
import { type LongCallOptions, ProgressCounter } from "./call-options.js";
import type { Session } from "./session.js";

export interface MeasureOptions extends LongCallOptions {
  /** The chip that is read; the measurement goes through its board. Default: the root. */
  readonly chip?: ChipCoordinates | undefined;
  /** Single 256-byte reads for the latency, one at a time, 1..1,000,000. Default 500. */
  readonly reads?: number | undefined;
  /** Send windows to try, each 1..1024. Default 1, 2, 4, 8: a board holds no more than 8 requests. */
  readonly windows?: readonly number[] | undefined;
  /** Bytes read with each window, 256..128 MiB. Default 1 MiB. */
  readonly bytes?: number | undefined;
}

/** Times of single reads, ms. */
export interface Latency {
  readonly count: number;
  readonly leastMs: number;
  readonly medianMs: number;
  readonly p90Ms: number;
  readonly p99Ms: number;
  readonly mostMs: number;
  /** Neighbouring classes, each `toMs` = `fromMs` times the square root of 2, from the first to the last that has any. */
  readonly histogram: readonly { readonly fromMs: number; readonly toMs: number; readonly count: number }[];
}

export interface Throughput {
  readonly window: number;
  readonly bytes: number;
  readonly seconds: number;
  readonly bytesPerSecond: number;
  readonly requestsPerSecond: number;
  /** Datagrams sent again, whatever the reason. */
  readonly resent: number;
}

/** What went wrong on the way, over the whole measurement. */
export interface LossSeen {
  /** Datagrams sent, repeats included. */
  readonly sent: number;
  /** Repeats because no reply came: `timeouts` by the clock, `overtaken` because later replies came. */
  readonly timeouts: number;
  readonly overtaken: number;
  /** Repeats because of a code such as RC_P2P_BUSY. */
  readonly busy: number;
  /** Replies that came twice, or after their request had been given up: the reply was late, not lost. */
  readonly duplicates: number;
  readonly late: number;
  /** Share of the datagrams sent that got no reply in time and none later either, 0..1: an estimate of the loss both ways together. */
  readonly share: number;
}

export interface Measurement {
  /** `host:port`. */
  readonly board: string;
  readonly latency: Latency;
  readonly throughput: readonly Throughput[];
  readonly loss: LossSeen;
}

const BLOCK = 256;

/**
 * Measures the way to a board and back: latency of single reads, throughput by window, what was lost. Only reads, from the start of the chip's
 * SDRAM, over sockets of its own, so that it neither counts nor disturbs the numbering of what the session does meanwhile.
 * The first reads are not counted: the runtime is still compiling. Throws what reads throw.
 */
export async function measure(session: Session, options: MeasureOptions = {}): Promise<Measurement> {
  const { signal, chip = session.root, windows = [1, 2, 4, 8] } = options;
  const reads = checkInteger("reads", options.reads ?? 500, 1, 1_000_000);
  const bytes = checkInteger("bytes", options.bytes ?? 1 << 20, BLOCK, SDRAM.sizeBytes);
  for (const window of windows) checkInteger("window", window, 1, 1024);
  const { remote } = session.connectionOf(chip);
  const progress = new ProgressCounter(options, "measure", reads * BLOCK + windows.length * bytes, "bytes");
  const counters: PipelineCounters[] = [];

  const latency = await withPipeline(session, remote, 1, signal, async (pipeline) => {
    await readAll(pipeline, chip, BLOCK * Math.min(reads, 100), signal);
    const times: number[] = [];
    for (let i = 0; i < reads; i += 1) {
      const started = performance.now();
      await pipeline.call(readMemoryRequest(chip, SDRAM.base, BLOCK), { signal });
      times.push(performance.now() - started);
      progress.add(BLOCK);
    }
    counters.push(pipeline.counters);
    return latencyOf(times);
  });
  const throughput: Throughput[] = [];
  for (const window of windows) {
    const result = await withPipeline(session, remote, window, signal, async (pipeline) => {
      await readAll(pipeline, chip, Math.min(bytes, 64 * BLOCK), signal);
      const before = pipeline.counters.resent;
      const started = performance.now();
      await readAll(pipeline, chip, bytes, signal);
      const seconds = (performance.now() - started) / 1000;
      counters.push(pipeline.counters);
      const perSecond = { bytesPerSecond: bytes / seconds, requestsPerSecond: Math.ceil(bytes / BLOCK) / seconds };
      return { window, bytes, seconds, ...perSecond, resent: pipeline.counters.resent - before };
    });
    throughput.push(result);
    progress.add(bytes);
  }
  return { board: remote, latency, throughput, loss: lossOf(counters) };
}

/** Opens a connection to the same board with a window of its own, and closes it. */
async function withPipeline<T>(
  session: Session,
  remote: string,
  window: number,
  signal: AbortSignal | undefined,
  work: (pipeline: SCPRequestPipeLine) => Promise<T>,
): Promise<T> {
  throwIfAborted(signal);
  const colon = remote.lastIndexOf(":");
  const connection = await session.open(remote.slice(0, colon), Number(remote.slice(colon + 1)), signal, { nChannels: window });
  try {
    return await work(connection.pipeline);
  } finally {
    await connection.close();
  }
}

function readAll(pipeline: SCPRequestPipeLine, chip: ChipCoordinates, bytes: number, signal: AbortSignal | undefined): Promise<void> {
  return pipeline.run(readRequests(chip, SDRAM.base, bytes, new Uint8Array(bytes)), { signal });
}

function latencyOf(times: readonly number[]): Latency {
  const sorted = [...times].sort((a, b) => a - b);
  const at = (share: number): number => sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))]!;
  const least = at(0);
  const most = at(1);
  // Classes by half powers of 2 of a millisecond; a time below the resolution of the clock counts as that.
  const classOf = (ms: number): number => Math.floor(2 * Math.log2(Math.max(ms, 1e-3)));
  const first = classOf(least);
  const counts = new Array<number>(classOf(most) - first + 1).fill(0);
  for (const ms of sorted) counts[classOf(ms) - first]! += 1;
  const histogram = counts.map((count, i) => ({ fromMs: 2 ** ((first + i) / 2), toMs: 2 ** ((first + i + 1) / 2), count }));
  return { count: sorted.length, leastMs: least, medianMs: at(0.5), p90Ms: at(0.9), p99Ms: at(0.99), mostMs: most, histogram };
}

function lossOf(all: readonly PipelineCounters[]): LossSeen {
  const sum = (pick: (counters: PipelineCounters) => number): number => all.reduce((total, counters) => total + pick(counters), 0);
  const sent = sum((each) => each.sent);
  const timeouts = sum((each) => each.timeouts);
  const overtaken = sum((each) => each.earlyRepeats);
  const duplicates = sum((each) => each.duplicates);
  const late = sum((each) => each.late);
  const share = sent === 0 ? 0 : Math.max(0, timeouts + overtaken - duplicates - late) / sent;
  return { sent, timeouts, overtaken, busy: sum((each) => each.retryCodeResent), duplicates, late, share };
}
