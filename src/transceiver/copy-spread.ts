import { type ApplicationStart, copyApplication, imageChecksum, startApplication } from "../commands/index.js";
import { SpinnError } from "../errors.js";
import { type ChipCoordinates, chipKey, coresOfMask, formatChip } from "../machine/index.js";
import { SCP_MAX_DATA } from "../wire/index.js";
import type { CallOptions } from "./call-options.js";
import { type CopyStep, copyTree, linkKey } from "./copy-tree.js";
import type { CoreSet } from "./core-set.js";
import type { Distributor } from "./load.js";
import { readMemory, writeMemory } from "./memory.js";
import type { Session } from "./session.js";
import { readSystemNumber } from "./struct-fields.js";

/** Copies of one chip before another neighbour is tried. */
const COPY_ATTEMPTS = 2;
/** How long the first copy may take before it is repeated, and the bounds for the later ones, ms. */
const FIRST_PATIENCE_MS = 2000;
const MIN_PATIENCE_MS = 50;
const MAX_PATIENCE_MS = 6000;

/**
 * Brings an image to chips by copying it from neighbour to neighbour (SC&MP 4.x): written once, to the root's load buffer, then each chip reads
 * the load buffer of the next one nearer to the root (APP_COPY_RUN). A chip serves one reader at a time; different branches go on in parallel.
 *
 * Copying and starting are kept apart: copies can be repeated, starts cannot. 4.0.0 does not tell when a link failed half way. Words are copied
 * in order, so the end of the buffer is looked at before and after: what differed before and is right afterwards has been copied.
 */
export class CopySpread implements Distributor {
  /** AR marks its cores before it answers; a little is left for replies that were lost on the way back. */
  readonly settleMs = 50;
  readonly #session: Session;
  readonly #image: Uint8Array;
  readonly #start: Omit<ApplicationStart, "cores">;
  readonly #checksum: number;
  /** Chips whose load buffer holds the image. At most the chips of the machine, as are the broken links. */
  readonly #have = new Set<number>();
  readonly #broken = new Set<number>();
  /** Why chips do not have it yet, by `chipKey`. */
  readonly #failures = new Map<number, string>();
  #buffer: number | undefined;
  /** Moving average of the copies so far, ms. */
  #usualMs: number | undefined;

  constructor(session: Session, image: Uint8Array, start: Omit<ApplicationStart, "cores">) {
    this.#session = session;
    this.#image = image;
    this.#start = start;
    this.#checksum = imageChecksum(image);
  }

  async start(cores: CoreSet, options: CallOptions): Promise<ReadonlyMap<number, string>> {
    const session = this.#session;
    const reasons = new Map<number, string>();
    await this.#writeRoot(options);
    const tree = copyTree(session.knownMachine, this.#have, cores.chips, this.#broken);
    for (const chip of tree.unreachable) {
      const key = chipKey(chip.x, chip.y);
      reasons.set(key, this.#failures.get(key) ?? "no working link leads to the chip");
    }
    const sources = [...tree.steps.keys()].filter((key) => this.#have.has(key));
    await Promise.all(sources.map((key) => this.#spread(tree.steps, key, reasons, options)));
    const ready = cores.chips.filter((chip) => this.#have.has(chipKey(chip.x, chip.y)));
    await session.forEach(ready, (chip, { signal }) => this.#startOn(chip, cores.maskOf(chip), reasons, signal), options);
    return reasons;
  }

  async #writeRoot(options: CallOptions): Promise<void> {
    const { root } = this.#session;
    if (this.#have.has(chipKey(root.x, root.y))) return;
    this.#buffer = await readSystemNumber(this.#session, root, "sdram_sys", options);
    await writeMemory(this.#session, root, this.#buffer, this.#image, options);
    this.#have.add(chipKey(root.x, root.y));
  }

  /** Serves the readers of one chip one after the other; each goes on by itself once it has the image. */
  async #spread(
    steps: ReadonlyMap<number, readonly CopyStep[]>,
    key: number,
    reasons: Map<number, string>,
    options: CallOptions,
  ): Promise<void> {
    const further: Promise<void>[] = [];
    for (const step of steps.get(key) ?? []) {
      const childKey = chipKey(step.chip.x, step.chip.y);
      const failure = await this.#copy(step, options);
      if (failure === undefined) {
        this.#have.add(childKey);
        const branch = this.#spread(steps, childKey, reasons, options);
        // It may fail while this chip still serves its next reader; Promise.all below takes the failure up.
        branch.catch(() => undefined);
        further.push(branch);
      } else {
        this.#broken.add(linkKey(step.chip, step.link));
        this.#markBelow(steps, childKey, failure, reasons);
      }
    }
    await Promise.all(further);
  }

  /** One copy; the words say why it failed. Only an abort or a closed connection is thrown. */
  async #copy(step: CopyStep, options: CallOptions): Promise<string | undefined> {
    const { chip, link } = step;
    const size = this.#image.length;
    const tail = this.#image.subarray(Math.max(0, size - SCP_MAX_DATA));
    const tailAt = this.#buffer! + size - tail.length;
    let failure = "";
    for (let attempt = 0; attempt < COPY_ATTEMPTS; attempt += 1) {
      try {
        if (equal(await readMemory(this.#session, chip, tailAt, tail.length, options), tail)) {
          const spoilt = tail.subarray(-4).map((byte) => byte ^ 0xff);
          await writeMemory(this.#session, chip, tailAt + tail.length - 4, spoilt, options);
        }
        await this.#copyOnce(step, options);
        if (equal(await readMemory(this.#session, chip, tailAt, tail.length, options), tail)) return undefined;
        failure = `the copy over link ${link} stopped half way`;
      } catch (error) {
        failure = failureOf(error);
      }
    }
    return `copy to chip ${formatChip(chip)}: ${failure}`;
  }

  /**
   * One copy. Nobody knows how long it takes on a board (SpiNNMan allows 6 s), and a lost one should not cost that much: the copies so far tell.
   * Taking one for lost too early does no harm but to time: the chip copies the same words once more.
   */
  async #copyOnce({ chip, link }: CopyStep, options: CallOptions): Promise<void> {
    const usual = this.#usualMs;
    const slowMs = usual === undefined ? FIRST_PATIENCE_MS : clamp(4 * usual, MIN_PATIENCE_MS, MAX_PATIENCE_MS);
    const begun = performance.now();
    const copy = { link, sizeBytes: this.#image.length, checksum: this.#checksum, slowMs };
    await this.#session.call(copyApplication(chip, copy), options);
    const tookMs = performance.now() - begun;
    // Lost ones count too, or patience that is too short would never learn; the average bears them.
    this.#usualMs = usual === undefined ? tookMs : usual + (tookMs - usual) / 8;
  }

  async #startOn(chip: ChipCoordinates, mask: number, reasons: Map<number, string>, signal: AbortSignal): Promise<void> {
    try {
      await this.#session.call(startApplication(chip, { ...this.#start, cores: coresOfMask(mask) }), { signal });
    } catch (error) {
      // Started or not: the states will tell.
      reasons.set(chipKey(chip.x, chip.y), failureOf(error));
    }
  }

  #markBelow(steps: ReadonlyMap<number, readonly CopyStep[]>, key: number, failure: string, reasons: Map<number, string>): void {
    reasons.set(key, failure);
    this.#failures.set(key, failure);
    for (const step of steps.get(key) ?? []) this.#markBelow(steps, chipKey(step.chip.x, step.chip.y), failure, reasons);
  }
}

function clamp(value: number, low: number, high: number): number {
  return Math.min(high, Math.max(low, value));
}

function equal(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, i) => byte === b[i]);
}

/** The words of a failure of one chip; what ends the whole work is thrown again. */
export function failureOf(error: unknown): string {
  if (error instanceof SpinnError && error.code !== "ERR_SPINN_ABORTED" && error.code !== "ERR_SPINN_CLOSED") return error.message;
  throw error;
}
