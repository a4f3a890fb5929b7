import { type ApplicationStart, endFlood, floodData, selectFlood, startFlood } from "../commands/index.js";
import { SpinnError } from "../errors.js";
import { compressRegions, coresOfMask } from "../machine/index.js";
import { SCP_MAX_DATA } from "../wire/index.js";
import type { CallOptions } from "./call-options.js";
import type { CoreSet } from "./core-set.js";
import type { Distributor } from "./load.js";
import type { Session } from "./session.js";
import { readSystemNumber } from "./struct-fields.js";

/** A flood announces its blocks in one byte. */
const MAX_BLOCKS = 255;

/**
 * Brings an image to chips by flooding it through the whole machine (SC&MP up to 3.4.1): start, selection of chips and cores, data, end. Every
 * chip takes the data, those selected start. Nothing tells whether it worked: the states of the cores do.
 */
export class FloodFill implements Distributor {
  /** The last packets travel from chip to chip after the reply; rig looks at once and then loads again. */
  readonly settleMs = 500;
  readonly #session: Session;
  readonly #image: Uint8Array;
  readonly #start: Omit<ApplicationStart, "cores">;
  #id = 0;

  constructor(session: Session, image: Uint8Array, start: Omit<ApplicationStart, "cores">) {
    if (image.length > MAX_BLOCKS * SCP_MAX_DATA) {
      throw new SpinnError(
        "ERR_SPINN_FILE",
        `an application of ${image.length} bytes cannot be flooded: ${MAX_BLOCKS * SCP_MAX_DATA} is the most`,
        {
          hint: "boot SC&MP 4, which copies applications of any size",
        },
      );
    }
    this.#session = session;
    this.#image = image;
    this.#start = start;
  }

  async start(cores: CoreSet, options: CallOptions): Promise<ReadonlyMap<number, string>> {
    const session = this.#session;
    const { root } = session;
    const flood = { chip: root };
    const buffer = await readSystemNumber(session, root, "sdram_sys", options);
    const blocks = Math.ceil(this.#image.length / SCP_MAX_DATA);
    // A new even id for each flood: chips still busy with the last one do not mix them up.
    this.#id = (this.#id % 254) + 2;
    // Steps in strict order, one at a time: chips ignore a selection that comes before the start and data that come before either.
    await session.call(startFlood(this.#id, blocks, undefined, flood), options);
    for (const { region, mask } of compressRegions(cores.cores)) await session.call(selectFlood(region, coresOfMask(mask), flood), options);
    for (let block = 0; block < blocks; block += 1) {
      const offset = block * SCP_MAX_DATA;
      const data = this.#image.subarray(offset, offset + SCP_MAX_DATA);
      await session.call(floodData(this.#id, block, buffer + offset, data, flood), options);
    }
    await session.call(endFlood(this.#id, { ...this.#start, cores: [] }, flood), options);
    return new Map();
  }
}
