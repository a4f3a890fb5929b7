/** How a simulation is made to wait: the signals PAUSE and CONT of its application, say. */
export interface Holdable {
  pause(): Promise<void>;
  resume(): Promise<void>;
}

/** After a resume that failed, ms: a simulation that waits for ever sends nothing that would bring another mark. */
const AGAIN_MS = 500;

/** One command at a time to a simulation that is held and let go on; what was wanted last wins. */
export class Hold {
  readonly #target: Holdable;
  #isWanted = false;
  #isHeld = false;
  #isBusy = false;
  #isOver = false;
  #work: Promise<void> = Promise.resolve();
  pauses = 0;
  resumes = 0;
  /** Commands that failed. */
  failures = 0;

  constructor(target: Holdable) {
    this.#target = target;
  }

  /** Whether the simulation waits, as far as its answers tell. */
  get isHeld(): boolean {
    return this.#isHeld;
  }

  want(isHeld: boolean): void {
    if (this.#isOver) return;
    this.#isWanted = isHeld;
    if (!this.#isBusy) this.#work = this.#follow();
  }

  /** Lets the simulation go on for good, and waits until it was told. Never throws. */
  async release(): Promise<void> {
    this.want(false);
    this.#isOver = true;
    await this.#work;
  }

  async #follow(): Promise<void> {
    this.#isBusy = true;
    while (this.#isWanted !== this.#isHeld) {
      const isHeld = this.#isWanted;
      try {
        await (isHeld ? this.#target.pause() : this.#target.resume());
      } catch {
        this.failures += 1;
        if (!isHeld) setTimeout(() => this.want(this.#isWanted), AGAIN_MS).unref();
        break;
      }
      this.#isHeld = isHeld;
      if (isHeld) this.pauses += 1;
      else this.resumes += 1;
    }
    this.#isBusy = false;
  }
}
