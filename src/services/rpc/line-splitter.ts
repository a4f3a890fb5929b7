import { isAscii, isUtf8 } from "node:buffer";
import { SpinnError } from "../../errors.js";

const LINE_FEED = 0x0a;

/** Cuts a byte stream into lines of UTF-8 text. Holds at most one unfinished line, and that up to `maxLineBytes`. */
export class LineSplitter {
  readonly #maxLineBytes: number;
  #pieces: Buffer[] = [];
  #bytes = 0;

  constructor(maxLineBytes: number) {
    this.#maxLineBytes = maxLineBytes;
  }

  /** Bytes of the unfinished line. */
  get unfinishedBytes(): number {
    return this.#bytes;
  }

  /** Adds the lines that end in `chunk` to `lines`, without their line feed. Throws `ERR_SPINN_PROTOCOL` for a line too long or not UTF-8. */
  push(chunk: Buffer, lines: string[]): void {
    let start = 0;
    for (;;) {
      const end = chunk.indexOf(LINE_FEED, start);
      const piece = chunk.subarray(start, end < 0 ? chunk.length : end);
      if (this.#bytes + piece.length > this.#maxLineBytes) {
        throw new SpinnError("ERR_SPINN_PROTOCOL", `a line of more than ${this.#maxLineBytes} bytes`, {
          hint: "send less at a time, or raise maxLineBytes on the reading side",
        });
      }
      if (end < 0) {
        if (piece.length > 0) this.#pieces.push(piece);
        this.#bytes += piece.length;
        return;
      }
      if (this.#pieces.length === 0) lines.push(textOf(piece));
      else {
        this.#pieces.push(piece);
        const whole = Buffer.concat(this.#pieces);
        this.#pieces = [];
        this.#bytes = 0;
        lines.push(textOf(whole));
      }
      start = end + 1;
    }
  }
}

/** A text of its own for each line: a piece of a longer text would keep all of that in memory. */
function textOf(bytes: Buffer): string {
  if (isAscii(bytes)) return bytes.toString("latin1");
  if (!isUtf8(bytes)) throw new SpinnError("ERR_SPINN_PROTOCOL", "a line that is not UTF-8");
  return bytes.toString("utf8");
}
