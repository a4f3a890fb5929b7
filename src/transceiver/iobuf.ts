import { checkInteger, hex32, SpinnError } from "../errors.js";
import { type CoreCoordinates, canonical, formatCore, IOBUF_BLOCK, SDRAM } from "../machine/index.js";
import type { LongCallOptions } from "./call-options.js";
import { ProgressCounter } from "./call-options.js";
import { readMemory } from "./memory.js";
import type { Session } from "./session.js";
import { readCoreField, readSystemNumber } from "./struct-fields.js";

export interface IobufOptions extends LongCallOptions {
  /** Most text taken from one core, bytes; a core that printed more has the end cut off. Default 16 MiB: what applications print in hours. */
  readonly maxBytes?: number | undefined;
}

/** What a core printed with `io_printf(IO_BUF, ...)`. */
export interface CoreText extends CoreCoordinates {
  readonly text: string;
}

/**
 * The text a core printed. Bytes that are no UTF-8 become U+FFFD.
 * Throws `ERR_SPINN_PROTOCOL` when the chain of blocks is damaged: outside SDRAM, longer than a block, or in a circle.
 */
export async function readIobuf(session: Session, core: CoreCoordinates, options: IobufOptions = {}): Promise<string> {
  const blockSize = await readSystemNumber(session, core, "iobuf_size", options);
  checkInteger(`sv.iobuf_size of chip ${core.x},${core.y}`, blockSize, 1, SDRAM.sizeBytes);
  return readChain(session, core, blockSize, options);
}

/** The text of many cores, in the order given; boards in parallel. */
export async function readIobufs(session: Session, cores: Iterable<CoreCoordinates>, options: IobufOptions = {}): Promise<CoreText[]> {
  const wanted = [...cores].map((core, index) => ({ ...core, index }));
  const texts = new Array<CoreText>(wanted.length);
  const progress = new ProgressCounter(options, "text", wanted.length, "cores");
  await session.forEach(
    wanted,
    async ({ index, x, y, p }, { signal }) => {
      const ownOptions = options.maxBytes === undefined ? { signal } : { signal, maxBytes: options.maxBytes };
      texts[index] = { x, y, p, text: await readIobuf(session, { x, y, p }, ownOptions) };
      progress.add(1);
    },
    options,
  );
  return texts;
}

async function readChain(session: Session, core: CoreCoordinates, blockSize: number, options: IobufOptions): Promise<string> {
  const chip = { x: core.x, y: core.y };
  const call = { signal: options.signal };
  const maxBytes = options.maxBytes ?? 1 << 24;
  const damaged = (why: string): SpinnError =>
    new SpinnError("ERR_SPINN_PROTOCOL", `the text of core ${formatCore(core)} is damaged: ${why}`, {
      hint: "the program may have written over it; its status and the rest of the machine can still be read",
    });
  const seen = new Set<number>();
  const decoder = new TextDecoder();
  let text = "";
  let total = 0;
  let at = (await readCoreField(session, core, "iobuf", call)) as number;
  while (at !== 0 && total < maxBytes) {
    const place = canonical(at);
    if (place < SDRAM.base || place + IOBUF_BLOCK.size > SDRAM.base + SDRAM.sizeBytes || at % 4 !== 0)
      throw damaged(`a block at ${hex32(at)}`);
    if (seen.has(place)) throw damaged(`its blocks run in a circle at ${hex32(at)}`);
    seen.add(place);
    const header = await readMemory(session, chip, at, IOBUF_BLOCK.size, call);
    const length = IOBUF_BLOCK.number(header, "length");
    if (length > blockSize) throw damaged(`a block of ${length} characters where ${blockSize} fit`);
    const size = Math.min(length, maxBytes - total);
    if (size > 0) text += decoder.decode(await readMemory(session, chip, at + IOBUF_BLOCK.size, size, call), { stream: true });
    total += size;
    at = IOBUF_BLOCK.number(header, "next");
  }
  return text + decoder.decode();
}
