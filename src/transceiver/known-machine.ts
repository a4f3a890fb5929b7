import { throwIfAborted } from "../errors.js";
import type { ChipCoordinates, Machine } from "../machine/index.js";
import type { CallOptions } from "./call-options.js";
import { type DiscoverOptions, type Discovery, discover } from "./discover.js";
import type { Session } from "./session.js";

export interface SomeChips {
  /** Default: every chip of the machine, which is discovered if nobody has yet. */
  readonly chips?: Iterable<ChipCoordinates> | undefined;
}

/** The machine of a session for work that cannot do without: discovered when it is first asked for, once, whoever asks. */
export class KnownMachine {
  readonly #session: Session;
  readonly #locate: DiscoverOptions["locate"];
  #discovering: Promise<Discovery> | undefined;

  constructor(session: Session, locate: DiscoverOptions["locate"]) {
    this.#session = session;
    this.#locate = locate;
  }

  /** Asks the machine anew. */
  discover(options: DiscoverOptions): Promise<Discovery> {
    return discover(this.#session, { locate: this.#locate, ...options });
  }

  /** The machine as last discovered, or discovered now. */
  async get(options: CallOptions): Promise<Machine> {
    while (this.#session.machine === undefined) {
      throwIfAborted(options.signal);
      if (this.#discovering === undefined) {
        this.#discovering = this.discover({ signal: options.signal }).finally(() => {
          this.#discovering = undefined;
        });
        await this.#discovering;
      } else {
        // Somebody else's discovery: if it fails, for a reason that may be only theirs, this caller tries itself.
        await this.#discovering.catch(() => undefined);
      }
    }
    return this.#session.machine;
  }

  /** The chips meant. */
  async chips(options: SomeChips & CallOptions): Promise<ChipCoordinates[]> {
    return [...(options.chips ?? (await this.get(options)).chips.values())].map(({ x, y }) => ({ x, y }));
  }
}
