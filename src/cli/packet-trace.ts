import { closeSync, openSync, writeSync } from "node:fs";
import type { PacketEvent } from "../emulator/index.js";
import { hex32, SpinnError } from "../errors.js";

/** Text that is gathered before it goes to the file, characters. */
const CHUNK = 1 << 16;

/**
 * Packets into a file, a JSON object per line, in the order in which they happen: `time` in microseconds since boot by the cores' clock, `event`
 * sent or received, `x` `y` `p`, `type`, `key` and `payload` in hexadecimal. Written while the cores run, so that nothing piles up.
 */
export class PacketTrace implements Disposable {
  readonly #path: string;
  readonly #file: number;
  #text = "";

  /** Throws `ERR_SPINN_FILE`. */
  constructor(path: string) {
    this.#path = path;
    this.#file = this.#attempt(() => openSync(path, "w"));
  }

  readonly write = ({ timeUs, key, payload, event, x, y, p, type }: PacketEvent): void => {
    const line = { time: timeUs, event, x, y, p, type, key: hex32(key), ...(payload === undefined ? {} : { payload: hex32(payload) }) };
    this.#text += `${JSON.stringify(line)}\n`;
    if (this.#text.length >= CHUNK) this.#flush();
  };

  [Symbol.dispose](): void {
    this.#flush();
    closeSync(this.#file);
  }

  #flush(): void {
    const bytes = Buffer.from(this.#text);
    this.#text = "";
    for (let at = 0; at < bytes.length; ) at += this.#attempt(() => writeSync(this.#file, bytes, at));
  }

  #attempt<T>(action: () => T): T {
    try {
      return action();
    } catch (cause) {
      throw new SpinnError("ERR_SPINN_FILE", `the trace ${this.#path} cannot be written: ${(cause as Error).message}`, {
        hint: "choose another place",
        cause,
      });
    }
  }
}
