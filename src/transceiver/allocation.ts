import { allocateSdram, findSdramByTag, freeSdram, freeSdramOf, getSdramSpace, type SdramSpace } from "../commands/index.js";
import { hex32, SpinnError } from "../errors.js";
import { type ChipCoordinates, checkAppId, formatChip } from "../machine/index.js";
import type { CallOptions } from "./call-options.js";
import { readHeap } from "./heap.js";
import { type MemoryIO, type MemoryIOOptions, memoryIO } from "./memory-io.js";
import type { Session } from "./session.js";

export interface AllocateOptions extends CallOptions {
  /** Owner, 1..255: a STOP of this application frees the block. */
  readonly appId: number;
  /** 1..255: the block can be found again by (appId, tag), and a lost reply does no harm. Default 0, none. */
  readonly tag?: number | undefined;
}

/** Times an allocation is asked for again after it was proven that a lost request had not been executed. */
const ATTEMPTS = 4;

/**
 * A block of SDRAM on a chip; resolves with its address. The size is rounded up to a multiple of 4.
 *
 * With a tag a lost reply is no problem: 4.0.0 is asked again with its retry flag, older firmware is asked which block has the tag. Without
 * one a lost reply ends in `ERR_SPINN_OUTCOME_UNKNOWN`: asking again could take a second block.
 * Throws `ERR_SPINN_MEMORY` saying what is free when the chip refuses.
 */
export async function allocate(session: Session, chip: ChipCoordinates, sizeBytes: number, options: AllocateOptions): Promise<number> {
  const { appId, tag = 0 } = options;
  checkAppId(appId);
  try {
    if (tag === 0) return await session.call(allocateSdram(chip, appId, sizeBytes), options);
    return await allocateTagged(session, chip, sizeBytes, appId, tag, options);
  } catch (error) {
    if (!(error instanceof SpinnError)) throw error;
    if (error.code === "ERR_SPINN_OUTCOME_UNKNOWN" && tag === 0) throw lostWithoutTag(error, chip);
    if (error.code !== "ERR_SPINN_MEMORY") throw error;
    throw await refusal(session, chip, sizeBytes, appId, tag, error, options);
  }
}

/** A block wanted on a chip. */
export interface Wanted extends ChipCoordinates {
  /** Rounded up to a multiple of 4. */
  readonly sizeBytes: number;
  /** 1..255, see `AllocateOptions`. Default 0, none. */
  readonly tag?: number | undefined;
}

/**
 * Blocks of SDRAM on many chips, boards in parallel; addresses in the order asked for. All or nothing: when one is refused, those taken are
 * given back and the refusal is thrown; a block whose allocation got no reply stays with the application until its STOP.
 */
export async function allocateMany(session: Session, wanted: readonly Wanted[], options: Omit<AllocateOptions, "tag">): Promise<number[]> {
  const addresses = new Array<number | undefined>(wanted.length).fill(undefined);
  const items = wanted.map(({ x, y, sizeBytes, tag }, index) => ({ x, y, sizeBytes, tag, index }));
  try {
    await session.forEach(
      items,
      async ({ x, y, sizeBytes, tag, index }, { signal }) => {
        addresses[index] = await allocate(session, { x, y }, sizeBytes, { appId: options.appId, tag, signal });
      },
      options,
    );
    return addresses as number[];
  } catch (error) {
    // Without the caller's signal: what was taken is given back even when that is why the rest was not.
    const taken = items.filter(({ index }) => addresses[index] !== undefined);
    await session.forEach(taken, ({ x, y, index }) => free(session, { x, y }, addresses[index]!), { atATime: 1 }).catch(() => undefined);
    throw error;
  }
}

/**
 * A block of SDRAM as a window that is used like a file; see {@link allocate} and `MemoryIO`. Its `free()` gives the block back; closing it
 * does not.
 */
export async function allocateIO(
  session: Session,
  chip: ChipCoordinates,
  sizeBytes: number,
  options: AllocateOptions & MemoryIOOptions,
): Promise<MemoryIO> {
  const { x, y } = chip;
  const address = await allocate(session, chip, sizeBytes, options);
  return memoryIO(session, { x, y }, address, sizeBytes, options, (call) => free(session, { x, y }, address, call));
}

/**
 * The tag must be free before, so a block under it afterwards is ours: 4.0.0 finds that out itself when it is asked again with the retry flag,
 * older firmware is asked who holds the tag.
 */
async function allocateTagged(
  session: Session,
  chip: ChipCoordinates,
  sizeBytes: number,
  appId: number,
  tag: number,
  options: CallOptions,
): Promise<number> {
  if ((await session.call(findSdramByTag(chip, appId, tag), options)) !== undefined) {
    throw new SpinnError("ERR_SPINN_MEMORY", "the tag is taken");
  }
  if (session.major >= 4) return session.call(allocateSdram(chip, appId, sizeBytes, { tag, retryFlag: true }), options);
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await session.call(allocateSdram(chip, appId, sizeBytes, { tag }), options);
    } catch (error) {
      const lost = error instanceof SpinnError && error.code === "ERR_SPINN_OUTCOME_UNKNOWN";
      if (!lost || attempt === ATTEMPTS) throw error;
      const address = await session.call(findSdramByTag(chip, appId, tag), options);
      if (address !== undefined) return address;
    }
  }
}

/**
 * Gives a block back. SC&MP checks nothing and a wrong address ruins its heap, so the address must be that of a block in use: the heap is
 * walked first. A lost reply is cleared up the same way.
 * Throws `ERR_SPINN_MEMORY` for an address that is no block in use.
 */
export async function free(session: Session, chip: ChipCoordinates, address: number, options: CallOptions = {}): Promise<void> {
  if (!(await isAllocated(session, chip, address, options))) {
    throw new SpinnError("ERR_SPINN_MEMORY", `${hex32(address)} is no allocated block on chip ${formatChip(chip)}`, {
      hint: "free the address an allocation returned, once; a STOP has freed the blocks of its application already",
    });
  }
  for (let attempt = 1; ; attempt += 1) {
    try {
      await session.call(freeSdram(chip, address), options);
      return;
    } catch (error) {
      const lost = error instanceof SpinnError && error.code === "ERR_SPINN_OUTCOME_UNKNOWN";
      if (!lost || attempt === ATTEMPTS) throw error;
      if (!(await isAllocated(session, chip, address, options))) return;
    }
  }
}

/** Gives back all SDRAM of an application on a chip; resolves with the number of blocks (a lost reply makes it 0). */
export async function freeAll(session: Session, chip: ChipCoordinates, appId: number, options: CallOptions = {}): Promise<number> {
  return session.call(freeSdramOf(chip, checkAppId(appId)), options);
}

/** Free SDRAM of a chip, bytes. */
export async function space(session: Session, chip: ChipCoordinates, options: CallOptions = {}): Promise<SdramSpace> {
  return session.call(getSdramSpace(chip), options);
}

/** The block of an application with this tag, `undefined` for none. */
export async function findByTag(
  session: Session,
  chip: ChipCoordinates,
  appId: number,
  tag: number,
  options: CallOptions = {},
): Promise<number | undefined> {
  return session.call(findSdramByTag(chip, checkAppId(appId), tag), options);
}

async function isAllocated(session: Session, chip: ChipCoordinates, address: number, options: CallOptions): Promise<boolean> {
  const heap = await readHeap(session, chip, "sdram", options);
  return heap.blocks.some((block) => block.address === address && !block.free);
}

async function refusal(
  session: Session,
  chip: ChipCoordinates,
  sizeBytes: number,
  appId: number,
  tag: number,
  cause: SpinnError,
  options: CallOptions,
): Promise<SpinnError> {
  const look = async (): Promise<{ holder: number | undefined; room: SdramSpace }> => ({
    holder: tag === 0 ? undefined : await session.call(findSdramByTag(chip, appId, tag), options),
    room: await session.call(getSdramSpace(chip), options),
  });
  const found = await look().catch(() => undefined);
  if (found === undefined) return cause;
  const { holder, room } = found;
  const where = `chip ${formatChip(chip)} gives no ${sizeBytes} bytes of SDRAM to app ${appId}`;
  const details = { board: session.remote, cause, ...(cause.request === undefined ? {} : { request: cause.request }) };
  if (holder !== undefined) {
    return new SpinnError("ERR_SPINN_MEMORY", `${where}: tag ${tag} is taken by the block at ${hex32(holder)}`, {
      ...details,
      hint: "use another tag, or free that block first",
    });
  }
  return new SpinnError("ERR_SPINN_MEMORY", `${where}: ${room.free} bytes are free, the largest block is ${room.largestBlock}`, {
    ...details,
    hint: "stop applications that are no longer needed, or ask for less",
  });
}

function lostWithoutTag(error: SpinnError, chip: ChipCoordinates): SpinnError {
  return new SpinnError(
    "ERR_SPINN_OUTCOME_UNKNOWN",
    `the reply to an allocation on chip ${formatChip(chip)} was lost: a block may have been taken`,
    {
      hint: "give a tag: then a lost reply is cleared up by itself",
      cause: error,
      ...(error.board === undefined ? {} : { board: error.board }),
      ...(error.request === undefined ? {} : { request: error.request }),
    },
  );
}
