import { fillMemory, readRequests, type Target, writeRequests } from "../commands/index.js";
import { hex32, SpinnError } from "../errors.js";
import { checkAddressRange, formatChip } from "../machine/index.js";
import type { ScpRequest } from "../wire/index.js";
import { type LongCallOptions, ProgressCounter } from "./call-options.js";
import type { Session } from "./session.js";

/**
 * Reads memory of any size and alignment into the first `length` bytes of `into`. Shared memory (SDRAM, SysRAM, registers) is read through the
 * monitor; ITCM and DTCM are private to a core, so `place` must name it.
 *
 * Throws `ERR_SPINN_MEMORY` for a range that is no memory (an access there would kill the monitor), `ERR_SPINN_ARGUMENT` for private memory
 * without a core, and what requests throw.
 */
export async function readInto(
  session: Session,
  place: Target,
  address: number,
  length: number,
  into: Uint8Array,
  options: LongCallOptions = {},
): Promise<void> {
  const target = targetOf(place, address, length);
  const progress = new ProgressCounter(options, "read", length, "bytes");
  await session.run(target, counted(readRequests(target, address, length, into), progress), options);
}

/** As {@link readInto}, into new memory. */
export async function readMemory(
  session: Session,
  place: Target,
  address: number,
  length: number,
  options: LongCallOptions = {},
): Promise<Uint8Array> {
  checkAddressRange(address, length);
  const bytes = new Uint8Array(length);
  await readInto(session, place, address, length, bytes, options);
  return bytes;
}

/**
 * Writes memory of any size and alignment; places as for {@link readInto}. `data` must stay as they are until the promise settles.
 * The private memory of the monitor (core 0) is refused with `ERR_SPINN_REFUSED`: writing there stops the chip.
 */
export async function writeMemory(
  session: Session,
  place: Target,
  address: number,
  data: Uint8Array,
  options: LongCallOptions = {},
): Promise<void> {
  const target = targetOf(place, address, data.length, "write");
  const progress = new ProgressCounter(options, "write", data.length, "bytes");
  await session.run(target, counted(writeRequests(target, address, data), progress), options);
}

/** Reads memory back and compares. Throws `ERR_SPINN_VERIFY` naming the first byte that differs, and how many do. */
export async function verifyMemory(
  session: Session,
  place: Target,
  address: number,
  expected: Uint8Array,
  options: LongCallOptions = {},
): Promise<void> {
  const found = await readMemory(session, place, address, expected.length, options);
  let first = -1;
  let count = 0;
  for (let i = 0; i < expected.length; i += 1) {
    if (found[i] === expected[i]) continue;
    if (first < 0) first = i;
    count += 1;
  }
  if (first < 0) return;
  const bytes = `${hex8(found[first]!)} where ${hex8(expected[first]!)} is expected`;
  throw new SpinnError(
    "ERR_SPINN_VERIFY",
    `chip ${formatChip(place)} holds ${bytes} at ${hex32(address + first)}; ${count} of ${expected.length} bytes differ`,
    {
      hint: "a program may write there, or the memory is faulty",
      board: session.remote,
    },
  );
}

/** Largest piece of one FILL: the monitor serves nothing else meanwhile. Its bus writes some 16 bytes per us, so this is about 4 ms. */
const FILL_PIECE = 0x10000;

/**
 * Fills memory with a word. Byte n of memory gets byte n mod 4 of the word whatever the alignment of the range, so neighbouring fills join
 * without a seam. Throws as {@link writeMemory}.
 */
export async function fillRange(
  session: Session,
  place: Target,
  address: number,
  length: number,
  word: number,
  options: LongCallOptions = {},
): Promise<void> {
  const target = targetOf(place, address, length, "write");
  const progress = new ProgressCounter(options, "fill", length, "bytes");
  await session.run(target, fillRequests(target, address, length, word, progress), options);
}

function* fillRequests(
  target: Target,
  address: number,
  length: number,
  word: number,
  progress: ProgressCounter,
): Generator<ScpRequest<void>> {
  const end = address + length;
  const firstWord = Math.min(end, Math.ceil(address / 4) * 4);
  const lastWord = Math.max(firstWord, Math.floor(end / 4) * 4);
  yield* fillBytes(target, address, firstWord, word);
  progress.add(firstWord - address);
  for (let at = firstWord; at < lastWord; at += FILL_PIECE) {
    const size = Math.min(FILL_PIECE, lastWord - at);
    yield fillMemory(target, at, word, size);
    progress.add(size);
  }
  yield* fillBytes(target, lastWord, end, word);
  progress.add(end - lastWord);
}

function fillBytes(target: Target, from: number, to: number, word: number): Generator<ScpRequest<void>> {
  const bytes = Uint8Array.from({ length: to - from }, (_, i) => word >>> (8 * ((from + i) & 3)));
  return writeRequests(target, from, bytes);
}

/** Who serves a range: the core itself for private memory, else the monitor. Throws what reading and writing there would throw. */
export function targetOf(place: Target, address: number, length: number, access: "read" | "write" = "read"): Target {
  const area = checkAddressRange(address, length);
  if (!area.perCore) return { x: place.x, y: place.y };
  if (place.p === undefined) {
    throw new SpinnError("ERR_SPINN_ARGUMENT", `${area.name} at ${hex32(address)} belongs to one core, and none is named`, {
      hint: `name the core, e.g. ${formatChip(place)},1`,
    });
  }
  if (place.p === 0 && access === "write") {
    throw new SpinnError(
      "ERR_SPINN_REFUSED",
      `${area.name} of core ${formatChip(place)},0 holds the monitor itself: writing there stops the chip`,
    );
  }
  return place;
}

/** Counts a request as done when the next one is pulled: behind by at most a window. */
function* counted<T>(requests: Iterable<ScpRequest<T>>, progress: ProgressCounter): Generator<ScpRequest<T>> {
  for (const request of requests) {
    yield request;
    progress.add(request.arg2);
  }
}

function hex8(byte: number): string {
  return `0x${byte.toString(16).padStart(2, "0")}`;
}
