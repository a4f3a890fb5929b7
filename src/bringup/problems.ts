import { SpinnError } from "../errors.js";

/** One thing that is wrong with a script. */
export interface Problem {
  /** Absent for scripts that are objects, and for what is missing altogether. */
  readonly line?: number | undefined;
  readonly column?: number | undefined;
  /** `steps[2].load.cores` */
  readonly path: string;
  readonly message: string;
}

/** Where something stands: position in the YAML text if there is one, and the path of names. */
export interface Place {
  readonly path: string;
  readonly line?: number | undefined;
  readonly column?: number | undefined;
}

/**
 * Collects what is wrong with a script, so that one run shows all of it. Bounded by the script, of which each part adds a problem at most.
 */
export class Problems {
  readonly found: Problem[] = [];
  readonly #name: string;

  /** `name`: the script's file, or what stands for it. */
  constructor(name: string) {
    this.#name = name;
  }

  add(place: Place, message: string): undefined {
    const { path, line, column } = place;
    this.found.push(line === undefined ? { path, message } : { path, line, column, message });
    return undefined;
  }

  /** Adds what `read` throws as `SpinnError` at a place. */
  catch<T>(place: Place, read: () => T): T | undefined {
    try {
      return read();
    } catch (error) {
      if (!(error instanceof SpinnError)) throw error;
      return this.add(place, error.hint === undefined ? error.message : `${error.message} (${error.hint})`);
    }
  }

  /** Throws `ERR_SPINN_SCRIPT` with every problem, in the order of the text, if there is any; `cause.problems` has them as values. */
  throwIfAny(): void {
    if (this.found.length === 0) return;
    const sorted = [...this.found].sort((a, b) => (a.line ?? 0) - (b.line ?? 0) || (a.column ?? 0) - (b.column ?? 0));
    const lines = sorted.map((problem) => `${this.where(problem)}: ${problem.message}`);
    throw new SpinnError("ERR_SPINN_SCRIPT", lines.join("\n"), {
      hint: `nothing was sent; correct ${lines.length === 1 ? "this" : `these ${lines.length} places`} and run again`,
      cause: { problems: sorted },
    });
  }

  /** `spin5.yaml:12:7`, or `script: steps[2].load` without positions. */
  where(place: Place): string {
    return place.line === undefined ? `${this.#name}: ${place.path || "top"}` : `${this.#name}:${place.line}:${place.column}`;
  }
}

/** The word of a list that is most like a mistyped one, if any is near: at most half of its letters wrong, three at the very most. */
export function nearest(word: string, words: Iterable<string>): string | undefined {
  const scored = [...words].map((candidate) => ({ candidate, wrong: distance(word.toLowerCase(), candidate.toLowerCase()) }));
  const best = scored.sort((a, b) => a.wrong - b.wrong)[0];
  return best !== undefined && best.wrong <= Math.min(3, Math.max(1, Math.floor(best.candidate.length / 2))) ? best.candidate : undefined;
}

/** `unknown key "core"; did you mean "cores"?`, or the list of what is known. */
export function unknownWord(what: string, word: string, words: readonly string[]): string {
  const near = nearest(word, words);
  return `unknown ${what} "${word}"${near === undefined ? `; known are ${words.join(", ")}` : `; did you mean "${near}"?`}`;
}

// Levenshtein: letters to insert, delete or replace. One row at a time.
function distance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      next.push(Math.min(next[j - 1]! + 1, row[j]! + 1, row[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1)));
    }
    row = next;
  }
  return row[b.length]!;
}
