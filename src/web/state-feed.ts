import type { Controller, Run } from "../controller/index.js";
import type { ChangeListener } from "../services/publish/index.js";
import { EventFeed } from "./event-feed.js";
import type { FeedOutlet } from "./feed-outlet.js";
import { jsonText } from "./json-text.js";

/** Least time between two messages to pages, ms: what changes meanwhile is sent once. */
const FLUSH_MS = 95;
/** What changes together goes together: the first change waits so long for the others, ms. */
const GATHER_MS = 5;
/** Time between two samples of the connection's counters, ms, and how many are kept for pages that come later: ten minutes. */
const SAMPLE_MS = 1000;
const MAX_SAMPLES = 600;
/** A page that hears nothing for some of these takes the connection for dead, ms. */
const BEAT_MS = 5000;
/** Members of a run's values longer than this are left out, characters. */
const MAX_VALUE = 4096;

/** Connections' counters at one moment: seconds since 1970, datagrams sent, repeated, mean round trip in ms. */
type Sample = readonly [time: number, sent: number, resent: number, roundTripMs: number | null];

/**
 * The published state on its way to pages. Changes are noted by their place, one or two steps deep, and sent, each {@link FLUSH_MS} at most, as what then
 * stands there, encoded once for all pages.
 */
export class StateFeed {
  readonly events = new EventFeed();
  readonly #controller: Controller;
  /** What every page is told first, besides the state. */
  readonly #about: Readonly<Record<string, unknown>>;
  /** Bounded by the server's limit of pages. */
  readonly #outlets = new Set<FeedOutlet>();
  /** Bounded by the state: places in it. */
  readonly #dirty = new Map<string, readonly string[]>();
  readonly #runs = new Map<string, { readonly run: Run; readonly end: () => void }>();
  /** Bounded by `MAX_SAMPLES`. */
  readonly #samples: Sample[] = [];
  readonly #timers: NodeJS.Timeout[] = [];
  readonly #endListening: () => void;
  #flush: NodeJS.Timeout | undefined;
  #flushedAt = Number.NEGATIVE_INFINITY;

  constructor(controller: Controller, about: Readonly<Record<string, unknown>>) {
    this.#controller = controller;
    this.#about = about;
    this.#endListening = controller.notifier.listen(this.#listener((path) => path));
    for (const run of controller.runs) this.addRun(run);
    this.#timers.push(
      setInterval(() => this.#sample(), SAMPLE_MS),
      setInterval(() => this.#tell(": beat\n\n"), BEAT_MS),
    );
  }

  get isWatched(): boolean {
    return this.#outlets.size > 0;
  }

  add(outlet: FeedOutlet): void {
    this.#outlets.add(outlet);
    this.sendWhole(outlet);
  }

  delete(outlet: FeedOutlet): void {
    this.#outlets.delete(outlet);
  }

  /** Everything, for a page that has just come or has fallen behind. */
  sendWhole(outlet: FeedOutlet): void {
    const detail = Object.fromEntries(Array.from(this.#runs.values(), ({ run }) => [run.id, detailOf(run)]));
    const state = { ...(this.#controller.notifier.rawView as Record<string, unknown>), detail };
    outlet.send(message("whole", { about: this.#about, state, samples: this.#samples, now: Date.now() }));
  }

  addRun(run: Run): void {
    const end = run.idict.notifier.listen(this.#listener(() => ["detail", run.id]));
    this.#runs.set(run.id, { run, end });
    this.#note(["detail", run.id]);
  }

  forgetRun({ id }: Run): void {
    this.#runs.get(id)?.end();
    this.#runs.delete(id);
    this.#note(["detail", id]);
  }

  /** New live events are there: they go out with the next message. */
  noteEvents(): void {
    this.#schedule();
  }

  close(): void {
    for (const timer of this.#timers) clearInterval(timer);
    clearTimeout(this.#flush);
    this.#flush = undefined;
    this.#endListening();
    for (const { end } of this.#runs.values()) end();
    for (const outlet of this.#outlets) outlet.end();
    this.#outlets.clear();
  }

  #listener(placeOf: (path: readonly string[]) => readonly string[]): ChangeListener {
    return {
      prepare: () => {},
      publish: (change) => {
        const at = change.path.map(String);
        this.#note(placeOf("key" in change ? [...at, String(change.key)] : at));
      },
    };
  }

  #note(path: readonly string[]): void {
    if (!this.isWatched) return;
    const place = path.slice(0, 2);
    this.#dirty.set(place.join("\0"), place);
    this.#schedule();
  }

  #schedule(): void {
    if (!this.isWatched) return;
    this.#flush ??= setTimeout(() => this.#send(), Math.max(GATHER_MS, this.#flushedAt + FLUSH_MS - performance.now()));
  }

  #send(): void {
    this.#flush = undefined;
    this.#flushedAt = performance.now();
    if (this.#dirty.size > 0) {
      const changes = [...this.#dirty.values()].map((path) => {
        const value = this.#read(path);
        return value === undefined ? [path] : [path, value];
      });
      this.#dirty.clear();
      this.#tell(message("changes", changes));
    }
    const events = this.events.take();
    if (events !== undefined) this.#tell(message("events", events));
  }

  #read([first, second]: readonly string[]): unknown {
    if (first === "detail") {
      const known = this.#runs.get(second!);
      return known === undefined ? undefined : detailOf(known.run);
    }
    const inside = (this.#controller.notifier.rawView as Record<string, unknown>)[first!];
    if (second === undefined) return inside;
    return inside instanceof Map ? inside.get(second) : (inside as Record<string, unknown> | null)?.[second];
  }

  #sample(): void {
    const network = (this.#controller.notifier.rawView as { network: Record<string, number | null> | null }).network;
    if (network === null) return;
    const sample: Sample = [Date.now() / 1000, network["sent"] ?? 0, network["resent"] ?? 0, network["round_trip_ms"] ?? null];
    this.#samples.push(sample);
    if (this.#samples.length > MAX_SAMPLES) this.#samples.shift();
    this.#tell(message("sample", sample));
  }

  #tell(text: Buffer | string): void {
    const bytes = typeof text === "string" ? Buffer.from(text) : text;
    for (const outlet of this.#outlets) outlet.send(bytes);
  }
}

function message(event: string, data: unknown): Buffer {
  return Buffer.from(`event: ${event}\ndata: ${jsonText(data)}\n\n`);
}

/** A run with who holds it, and its values as far as they are short. */
function detailOf(run: Run): Readonly<Record<string, unknown>> {
  const values = Object.entries(run.idict.snapshot).map(([key, value]) => {
    const text = jsonText(value);
    return [key, text !== undefined && text.length > MAX_VALUE ? { left_out: text.length } : value] as const;
  });
  return { run: run.idict.run, values: Object.fromEntries(values) };
}
