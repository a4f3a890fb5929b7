/** A line of output and the engine that wrote it (null while that is not known). */
export interface OutputLine {
  readonly engineId: number | null;
  readonly text: string;
}

/** Characters of finished lines that a log keeps; the oldest go, and are counted. */
const MAX_CHARS = 16 * 1024 * 1024;

/**
 * What the tasks of one call wrote to stdout or stderr, line by line in order of arrival. Iterating gives the lines from the first one kept,
 * waits for more, and ends when the last task has ended; any number of readers may do so at once, each at its own pace.
 */
export class OutputLog implements AsyncIterable<string> {
  readonly #lines: OutputLine[] = [];
  /** Lines that each task has begun; at most one a task. */
  readonly #begun = new Map<object, string>();
  #open: number;
  #chars = 0;
  #dropped = 0;
  #waiting: (() => void)[] = [];

  /** `writers`: how many tasks have to end before this does. */
  constructor(writers: number) {
    this.#open = writers;
  }

  /** Lines that a reader can no longer have. */
  get dropped(): number {
    return this.#dropped;
  }

  /** What is kept, with lines that have begun. */
  get text(): string {
    return [...this.#lines.map(({ text }) => `${text}\n`), ...this.#begun.values()].join("");
  }

  /** Takes a piece of what a task wrote. A carriage return that ends no line goes back to its start, as for progress bars. */
  write(writer: object, engineId: number | null, text: string): void {
    const pieces = ((this.#begun.get(writer) ?? "") + text).replaceAll("\r\n", "\n").split("\n");
    const begun = pieces.pop()!;
    // A return at the very end may be half of a line's end.
    const at = begun.lastIndexOf("\r", begun.length - 2);
    this.#begun.set(writer, at < 0 ? begun : begun.slice(at + 1));
    for (const piece of pieces) this.#push(engineId, piece);
    if (pieces.length > 0) this.#wake();
  }

  /** A task has ended: what it began counts as a line. */
  end(writer: object, engineId: number | null): void {
    const begun = this.#begun.get(writer) ?? "";
    this.#begun.delete(writer);
    if (begun !== "") this.#push(engineId, begun);
    this.#open -= 1;
    this.#wake();
  }

  /** The lines with who wrote them. */
  async *lines(): AsyncGenerator<OutputLine, void, void> {
    for (let next = 0; ; ) {
      next = Math.max(next, this.#dropped);
      const line = this.#lines[next - this.#dropped];
      if (line !== undefined) {
        next += 1;
        yield line;
      } else if (this.#open <= 0) return;
      else await new Promise<void>((resolve) => this.#waiting.push(resolve));
    }
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<string, void, void> {
    for await (const { text } of this.lines()) yield text;
  }

  #push(engineId: number | null, line: string): void {
    const text = line.slice(line.lastIndexOf("\r", line.length - 2) + 1);
    this.#lines.push({ engineId, text });
    this.#chars += text.length + 1;
    while (this.#chars > MAX_CHARS && this.#lines.length > 1) {
      this.#chars -= this.#lines.shift()!.text.length + 1;
      this.#dropped += 1;
    }
  }

  #wake(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const resume of waiting) resume();
  }
}

/** Both logs of one call of `count` tasks. */
export function callOutput(count: number): { readonly stdout: OutputLog; readonly stderr: OutputLog } {
  return { stdout: new OutputLog(count), stderr: new OutputLog(count) };
}
