import { SpinnError } from "../errors.js";
import type { Seen } from "./step.js";

/** Steps that are done once for several boards. Bounded by the steps of a script times its BMPs. */
export class OnceForAll {
  readonly #begun = new Map<string, { readonly by: string; readonly seen: Promise<Seen> }>();

  /** Notes what an earlier run has done with a board. */
  mark(key: string, by: string): void {
    if (!this.#begun.has(key)) this.#begun.set(key, { by, seen: Promise.resolve({}) });
  }

  /** Does `work` when nobody has under this key, else waits for who does: `by` names the board. Throws what the work threw, with its board. */
  async do(key: string, board: string, work: () => Promise<Seen>): Promise<{ readonly seen: Seen; readonly by?: string }> {
    const begun = this.#begun.get(key);
    if (begun === undefined) {
      const seen = work();
      this.#begun.set(key, { by: board, seen });
      return { seen: await seen };
    }
    try {
      return { seen: await begun.seen, by: begun.by };
    } catch (error) {
      if (!(error instanceof SpinnError)) throw error;
      throw new SpinnError(error.code, `it is done once, with ${begun.by}, and failed there: ${error.message}`, {
        hint: error.hint,
        cause: error,
      });
    }
  }
}
