import type { Progress } from "../transceiver/index.js";
import { formatBytes, formatDuration } from "./format.js";

/** What a progress line is written to. */
export interface ProgressStream {
  readonly isTTY?: boolean | undefined;
  readonly columns?: number | undefined;
  readonly rows?: number | undefined;
  write(text: string): unknown;
}

const ESC = "\u001b";
const ERASE = `\r${ESC}[2K`;
const ERASE_ABOVE = `${ESC}[1A${ESC}[2K`;
/** Between two drawings, ms. */
const DRAW_MS = 100;
/** Work that is done sooner shows no bar, ms. */
const QUIET_MS = 250;

/**
 * A line on a terminal that shows how far work is: bar, amount, rate, time left. Anything that is no terminal gets nothing at all: no carriage
 * return, no escape sequence.
 */
export class ProgressLine {
  readonly #stream: ProgressStream;
  readonly #enabled: boolean;
  readonly #now: () => number;
  #what = "";
  #startedAt: number;
  #drawnAt = Number.NEGATIVE_INFINITY;
  /** Lines on the screen; 0 for none. */
  #shown = 0;

  constructor(stream: ProgressStream, options: { readonly enabled?: boolean; readonly now?: () => number } = {}) {
    this.#stream = stream;
    this.#enabled = (options.enabled ?? true) && stream.isTTY === true;
    this.#now = options.now ?? (() => performance.now());
    this.#startedAt = this.#now();
  }

  /** Hand this to `onProgress`. */
  readonly update = (progress: Progress): void => {
    if (!this.#enabled) return;
    const now = this.#now();
    if (progress.what !== this.#what) {
      this.#what = progress.what;
      this.#startedAt = now;
    }
    if (now - this.#startedAt < QUIET_MS || now - this.#drawnAt < DRAW_MS) return;
    this.#drawnAt = now;
    this.#draw(progressWords(progress, now - this.#startedAt, (this.#stream.columns ?? 80) - 1));
  };

  /** A line of words in its place, e.g. what is being waited for. */
  note(words: string): void {
    if (this.#enabled) this.#draw(words.slice(0, (this.#stream.columns ?? 80) - 1));
  }

  /** Whether anything is drawn at all. */
  get isEnabled(): boolean {
    return this.#enabled;
  }

  /** Lines that fit on the screen, one of them left for the cursor. */
  get rows(): number {
    return Math.max(2, (this.#stream.rows ?? 24) - 1);
  }

  /** Several lines in its place, drawn over those before: at most {@link rows} of them. */
  block(lines: readonly string[]): void {
    const columns = (this.#stream.columns ?? 80) - 1;
    if (this.#enabled) this.#draw(...lines.slice(0, this.rows).map((line) => line.slice(0, columns)));
  }

  /** Takes the line away, or the lines. */
  clear(): void {
    if (this.#shown > 0) this.#stream.write(this.#eraser());
    this.#shown = 0;
    this.#what = "";
  }

  #draw(...lines: string[]): void {
    this.#stream.write(`${this.#eraser()}${lines.join("\n")}`);
    this.#shown = lines.length;
  }

  #eraser(): string {
    return `${ERASE}${ERASE_ABOVE.repeat(Math.max(0, this.#shown - 1))}`;
  }
}

/** `read [#####-----] 4.2 MB/8.0 MB  3.1 MB/s  1.2 s left`, shortened to what fits. */
export function progressWords(progress: Progress, elapsedMs: number, columns: number): string {
  const { what, done, total, unit } = progress;
  const share = total === 0 ? 1 : Math.min(1, done / total);
  const amount = unit === "bytes" ? `${formatBytes(done)}/${formatBytes(total)}` : `${done}/${total} ${unit}`;
  const rate = elapsedMs > 0 ? (done * 1000) / elapsedMs : 0;
  const speed = unit === "bytes" ? `${formatBytes(Math.round(rate))}/s` : `${rate.toFixed(0)} ${unit}/s`;
  const left = rate > 0 ? `${formatDuration(((total - done) * 1000) / rate)} left` : "";
  const bar = `[${"#".repeat(Math.round(20 * share)).padEnd(20, "-")}]`;
  for (const words of [[what, bar, amount, speed, left], [what, amount, speed, left], [what, amount, left], [what, amount], [amount]]) {
    const line = words.filter((word) => word !== "").join("  ");
    if (line.length <= columns) return line;
  }
  return `${Math.floor(100 * share)}%`.slice(0, Math.max(0, columns));
}
