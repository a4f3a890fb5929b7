import { readLink, writeLink } from "../commands/index.js";
import { SpinnError } from "../errors.js";
import { type ChipCoordinates, checkAddressRange, formatChip, type Link, linkName } from "../machine/index.js";
import { SCP_MAX_DATA, type ScpRequest } from "../wire/index.js";
import type { CallOptions } from "./call-options.js";
import type { Session } from "./session.js";

/**
 * Reads memory of a chip's neighbour over one link, any size and alignment: the link moves whole words, the ends are cut off here.
 * A dead link ends in `ERR_SPINN_RETURN_CODE` or, on 4.0.0, `ERR_SPINN_SHORT_REPLY`.
 */
export async function readLinkMemory(
  session: Session,
  chip: ChipCoordinates,
  link: Link,
  address: number,
  length: number,
  options: CallOptions = {},
): Promise<Uint8Array> {
  checkAddressRange(address, length);
  const start = address - (address % 4);
  const words = new Uint8Array(Math.ceil((address + length - start) / 4) * 4);
  await session.run(chip, linkReads(chip, link, start, words), options);
  return words.subarray(address - start, address - start + length);
}

/**
 * Writes whole words to memory of a chip's neighbour over one link, then reads them back: 4.0.0 does not tell when a link failed.
 * Throws `ERR_SPINN_VERIFY` when they are not there.
 */
export async function writeLinkMemory(
  session: Session,
  chip: ChipCoordinates,
  link: Link,
  address: number,
  data: Uint8Array,
  options: CallOptions = {},
): Promise<void> {
  checkAddressRange(address, data.length);
  await session.run(chip, linkWrites(chip, link, address, data), options);
  const back = await readLinkMemory(session, chip, link, address, data.length, options);
  if (back.every((byte, i) => byte === data[i])) return;
  throw new SpinnError(
    "ERR_SPINN_VERIFY",
    `${data.length} bytes written over link ${link} (${linkName(link)}) of chip ${formatChip(chip)} did not arrive`,
    {
      hint: "the link may be dead or losing packets",
    },
  );
}

function* linkReads(chip: ChipCoordinates, link: Link, address: number, into: Uint8Array): Generator<ScpRequest<void>> {
  for (let offset = 0; offset < into.length; offset += SCP_MAX_DATA) {
    const request = readLink(chip, link, address + offset, Math.min(SCP_MAX_DATA, into.length - offset));
    yield placed(request, into, offset);
  }
}

function* linkWrites(chip: ChipCoordinates, link: Link, address: number, data: Uint8Array): Generator<ScpRequest<void>> {
  for (let offset = 0; offset < data.length; offset += SCP_MAX_DATA) {
    yield writeLink(chip, link, address + offset, data.subarray(offset, offset + SCP_MAX_DATA));
  }
}

/** The request, with its bytes put into their place. */
function placed(request: ScpRequest<Uint8Array>, into: Uint8Array, offset: number): ScpRequest<void> {
  const { command, x, y, p, arg1, arg2, arg3, repeatable, minReply, maxReply, slowMs } = request;
  return {
    ...{ command, x, y, p, arg1, arg2, arg3, repeatable, minReply, maxReply },
    ...(slowMs === undefined ? {} : { slowMs }),
    decode: (datagram, code) => into.set(request.decode(datagram, code), offset),
    describe: () => request.describe(),
  };
}
