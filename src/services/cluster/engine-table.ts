import { SpinnError } from "../../errors.js";
import type { Json } from "./message.js";

/** An engine as the Hub numbers and names it. */
export interface EngineName {
  readonly id: number;
  readonly uuid: string;
}

/** One, several or all engines: `"all"` is looked up at each call. */
export type Targets = number | readonly number[] | "all";

/** Hears which engines there are now, and who came or went. */
export type EnginesListener = (ids: readonly number[], change: EngineName & { readonly kind: "joined" | "left" }) => void;

/** The engines there are now; bounded by the cluster. */
export class EngineTable {
  readonly #uuids = new Map<number, string>();
  /** Numbers of engines that were here too: a reply of one that left still has a number. At most MAX_NAMES. */
  readonly #ids = new Map<string, number>();
  readonly #listeners = new Set<EnginesListener>();

  /** Sorted; a copy. */
  get ids(): number[] {
    return [...this.#uuids.keys()].sort((a, b) => a - b);
  }

  get size(): number {
    return this.#uuids.size;
  }

  /** Takes the answer of the Hub. Throws `ERR_SPINN_PROTOCOL`. */
  learn(engines: unknown): void {
    if (typeof engines !== "object" || engines === null) throw new SpinnError("ERR_SPINN_PROTOCOL", "the controller tells no engines");
    for (const [id, uuid] of Object.entries(engines as Json)) if (typeof uuid === "string") this.#add({ id: Number(id), uuid });
  }

  join(engine: EngineName): void {
    this.#add(engine);
    this.#tell("joined", engine);
  }

  leave(engine: EngineName): void {
    if (this.#uuids.get(engine.id) === engine.uuid) this.#uuids.delete(engine.id);
    this.#tell("left", engine);
  }

  has(id: number): boolean {
    return this.#uuids.has(id);
  }

  isHere(uuid: string): boolean {
    const id = this.#ids.get(uuid);
    return id !== undefined && this.#uuids.get(id) === uuid;
  }

  idOf(uuid: string): number | null {
    return this.#ids.get(uuid) ?? null;
  }

  /** Throws `ERR_SPINN_ARGUMENT` for an engine that is not here. */
  named(id: number): EngineName {
    const uuid = this.#uuids.get(id);
    if (uuid !== undefined) return { id, uuid };
    throw new SpinnError("ERR_SPINN_ARGUMENT", `the cluster has no engine ${id}`, { hint: `it has ${this.ids.join(", ") || "none"}` });
  }

  /** Throws `ERR_SPINN_ARGUMENT` for an engine that is not here, for one named twice, and for none at all. */
  resolve(targets: Targets): EngineName[] {
    const ids = targets === "all" ? this.ids : typeof targets === "number" ? [targets] : targets;
    if (ids.length === 0)
      throw new SpinnError("ERR_SPINN_ARGUMENT", "no engines to run on", { hint: "are any connected? see ids, waitForEngines()" });
    if (new Set(ids).size !== ids.length) throw new SpinnError("ERR_SPINN_ARGUMENT", `an engine is named twice: ${ids.join(", ")}`);
    return ids.map((id) => this.named(id));
  }

  listen(listener: EnginesListener): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  clear(): void {
    this.#uuids.clear();
    this.#listeners.clear();
  }

  #add({ id, uuid }: EngineName): void {
    this.#uuids.set(id, uuid);
    this.#ids.set(uuid, id);
    if (this.#ids.size > MAX_NAMES) this.#ids.delete(this.#ids.keys().next().value!);
  }

  #tell(kind: "joined" | "left", engine: EngineName): void {
    const { ids } = this;
    for (const listener of [...this.#listeners]) listener(ids, { ...engine, kind });
  }
}

const MAX_NAMES = 10_000;
