import { type CoreCoordinates, formatCore } from "../machine/index.js";
import type { Transceiver } from "../transceiver/index.js";

/** Cores whose text is followed; what was loaded first is left out beyond that. */
const MAX_CORES = 24 * 48 * 18;
/** Of one core: what printed more has its end cut off. */
const MAX_BYTES = 1024 * 1024;

/** What cores have printed since the last look, line by line, with the core in front. */
export class IobufTail {
  /** What was seen of each core's text; at most MAX_CORES, of MAX_BYTES each. */
  readonly #seen = new Map<string, { readonly core: CoreCoordinates; text: string }>();

  /** Text from before is not theirs any more: they begin anew. */
  follow(cores: Iterable<CoreCoordinates>): void {
    for (const core of cores) {
      this.#seen.delete(formatCore(core));
      this.#seen.set(formatCore(core), { core, text: "" });
    }
    for (const name of this.#seen.keys()) {
      if (this.#seen.size <= MAX_CORES) break;
      this.#seen.delete(name);
    }
  }

  forget(cores: Iterable<CoreCoordinates>): void {
    for (const core of cores) this.#seen.delete(formatCore(core));
  }

  /** Prints whole lines that are new; with `all` also one that has only begun. Throws what the board says. */
  async drain(board: Transceiver, print: (text: string) => void, { all = false, signal }: { all?: boolean; signal?: AbortSignal } = {}) {
    if (this.#seen.size === 0) return;
    const cores = [...this.#seen.values()].map(({ core }) => core);
    for (const { text, ...core } of await board.readIobufs(cores, { maxBytes: MAX_BYTES, signal })) {
      const name = formatCore(core);
      const known = this.#seen.get(name);
      if (known === undefined) continue;
      // A core that was started again begins anew.
      const before = text.startsWith(known.text) ? known.text : "";
      const added = text.slice(before.length);
      const whole = all ? added : added.slice(0, added.lastIndexOf("\n") + 1);
      known.text = before + whole;
      const lines = whole.replace(/\n$/, "").split("\n");
      if (whole !== "") print(lines.map((line) => `${name}: ${line}\n`).join(""));
    }
  }
}
