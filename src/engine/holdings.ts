import type { CoreCoordinates } from "../machine/index.js";
import type { Transceiver } from "../transceiver/index.js";
import type { IobufTail } from "./iobuf-tail.js";

/** Methods that give an application something on the board. */
const TAKING: ReadonlySet<string> = new Set(["load", "allocate", "load_routes"]);

/** What was taken on a board through one engine: applications by id, with their cores, and IP tags. At most 255 and 16. */
export class Holdings {
  readonly #cores = new Map<number, CoreCoordinates[]>();
  readonly #tags = new Set<number>();
  readonly #tail: IobufTail;

  constructor(tail: IobufTail) {
    this.#tail = tail;
  }

  /** Notes what a call is about to do; `args` by name, as they are sent. A call that fails half way may have taken something. */
  before(method: string, args: Readonly<Record<string, unknown>>, cores: readonly CoreCoordinates[]): void {
    const appId = args["app_id"];
    if (!TAKING.has(method) || typeof appId !== "number") return;
    this.#cores.set(appId, [...(this.#cores.get(appId) ?? []), ...cores]);
    this.#tail.follow(cores);
  }

  /** Notes what a call has done. */
  after(method: string, args: Readonly<Record<string, unknown>>, result: unknown): void {
    const { tag, app_id: appId } = args;
    if ((method === "set_tag" || method === "set_reverse_tag") && typeof tag === "number") this.#tags.add(tag);
    else if (method === "take_tag" && typeof result === "number") this.#tags.add(result);
    else if (method === "clear_tag" && typeof tag === "number") this.#tags.delete(tag);
    else if (method === "stop" && typeof appId === "number") this.#forget(appId);
    else if (method === "boot" || method === "bringup" || method === "power_on" || method === "power_off") this.#forgetAll();
  }

  /** Stops the applications and takes the tags back; others' are left alone. Throws what the board says, and keeps what is still held. */
  async release(board: Transceiver, signal?: AbortSignal): Promise<void> {
    for (const appId of [...this.#cores.keys()]) {
      await board.stop(appId, { signal });
      this.#forget(appId);
    }
    for (const tag of [...this.#tags]) {
      await board.clearIpTag(tag, { signal });
      this.#tags.delete(tag);
    }
  }

  get isEmpty(): boolean {
    return this.#cores.size === 0 && this.#tags.size === 0;
  }

  #forget(appId: number): void {
    this.#tail.forget(this.#cores.get(appId) ?? []);
    this.#cores.delete(appId);
  }

  #forgetAll(): void {
    for (const appId of [...this.#cores.keys()]) this.#forget(appId);
    this.#tags.clear();
  }
}
