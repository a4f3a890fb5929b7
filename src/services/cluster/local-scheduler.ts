import type { ClusterMessage, Frame } from "./message.js";

export interface LocalSchedulerOptions {
  /** Hands a request to an engine. */
  readonly hand: (uuid: string, client: string, frames: readonly Frame[]) => void;
  /** Answers it instead of an engine. */
  readonly refuse: (client: string, request: ClusterMessage, ename: string, evalue: string) => void;
}

interface Job {
  readonly client: string;
  readonly frames: readonly Frame[];
  readonly request: ClusterMessage;
  /** Engines that may run it. */
  readonly targets: Set<string>;
  timer: NodeJS.Timeout | undefined;
}

/** Tasks that may wait for a free engine; as many as a client may have under way. */
const MAX_WAITING = 100_000;

/** Whichever engine is free: one task at a time on each, first in first out, the engine that has been idle longest. */
export class LocalScheduler {
  readonly #options: LocalSchedulerOptions;
  /** At most MAX_WAITING. */
  #waiting: Job[] = [];
  /** In the order in which they became free. */
  readonly #free = new Set<string>();
  /** What engines were given, by engine. */
  readonly #given = new Map<string, Job>();

  constructor(options: LocalSchedulerOptions) {
    this.#options = options;
  }

  /** `engines`: those that there are, for a task that names none. */
  take(client: string, frames: readonly Frame[], request: ClusterMessage, engines: readonly string[]): void {
    const { after, follow, retries, targets, timeout } = request.metadata;
    const wanted = Array.isArray(targets) && targets.length > 0 ? (targets as unknown[]).map(String) : engines;
    const here = wanted.filter((uuid) => engines.includes(uuid));
    const refused: readonly [string, string] | undefined =
      isDependency(after) || isDependency(follow) || Number(retries ?? 0) > 0
        ? ["NeedsController", "after, follow and retries take a controller: this cluster is within one process"]
        : here.length === 0
          ? ["ImpossibleDependency", "none of the engines that may run it is there"]
          : this.#waiting.length >= MAX_WAITING
            ? ["QueueFull", `${MAX_WAITING} tasks wait already`]
            : undefined;
    if (refused !== undefined) {
      this.#options.refuse(client, request, ...refused);
      return;
    }
    const job: Job = { client, frames, request, targets: new Set(here), timer: undefined };
    this.#waiting.push(job);
    this.#dealOut();
    const late = (): void => this.#drop(job, "TaskTimeout", `not started within ${String(timeout)} s`);
    if (typeof timeout === "number" && !this.#isGiven(job)) job.timer = setTimeout(late, Math.min(timeout * 1000, 0x7fffffff));
  }

  /** An engine is there, and does nothing for us. */
  add(uuid: string): void {
    if (this.#given.has(uuid) || this.#free.has(uuid)) return;
    this.#free.add(uuid);
    this.#dealOut();
  }

  done(uuid: string, msgId: unknown): void {
    if (this.#given.get(uuid)?.request.header["msg_id"] !== msgId) return;
    this.#given.delete(uuid);
    this.add(uuid);
  }

  remove(uuid: string): void {
    this.#free.delete(uuid);
    const job = this.#given.get(uuid);
    this.#given.delete(uuid);
    if (job !== undefined) this.#options.refuse(job.client, job.request, "EngineError", `engine ${uuid} went away`);
    for (const one of this.#waiting) one.targets.delete(uuid);
    const lost = this.#waiting.filter(({ targets }) => targets.size === 0);
    for (const one of lost) this.#drop(one, "ImpossibleDependency", "every engine that may run it went away");
  }

  close(): void {
    for (const { timer } of this.#waiting.splice(0)) clearTimeout(timer);
  }

  #isGiven(job: Job): boolean {
    return [...this.#given.values()].includes(job);
  }

  #drop(job: Job, ename: string, evalue: string): void {
    clearTimeout(job.timer);
    this.#waiting = this.#waiting.filter((one) => one !== job);
    this.#options.refuse(job.client, job.request, ename, evalue);
  }

  #dealOut(): void {
    for (const uuid of [...this.#free]) {
      const at = this.#waiting.findIndex(({ targets }) => targets.has(uuid));
      if (at < 0) continue;
      const [job] = this.#waiting.splice(at, 1) as [Job];
      clearTimeout(job.timer);
      this.#free.delete(uuid);
      this.#given.set(uuid, job);
      this.#options.hand(uuid, job.client, job.frames);
    }
  }
}

/** A list of tasks, or an object that has one. */
function isDependency(value: unknown): boolean {
  if (typeof value !== "object" || value === null) return false;
  const { dependencies } = value as { readonly dependencies?: unknown };
  const list = Array.isArray(value) ? value : dependencies;
  return Array.isArray(list) && list.length > 0;
}
