import { checkInteger, hex32 } from "../errors.js";
import { LINK_COUNT, type MemoryArea } from "../machine/index.js";
import { Command, SCP_MAX_DATA, type ScpRequest } from "../wire/index.js";
import { checkWords, readIsRepeatable, writeIsRepeatable } from "./address.js";
import { EMPTY_ONCE, EMPTY_REPEATABLE, replyBytes, ShapedRequest } from "./shaped-request.js";
import { checkMonitor, type Target } from "./target.js";

// A word over a link takes at most sv.peek_time (200 us by default); 64 words of a block and then some.
const LINK_SLOW_MS = 50;

/**
 * LINK_READ (17): 4..256 bytes, whole words, from the neighbour of `chip` over `link` (0 east .. 5 south, anticlockwise). The neighbour's
 * router hardware answers; its software need not be up. Over a dead link: RC_TIMEOUT, which 4.0.0 turns into RC_OK without data.
 *
 * Repeatable where the same READ would be. Throws `ERR_SPINN_ARGUMENT`, `ERR_SPINN_MEMORY`. Source: scamp-cmd.c `cmd_link_read`.
 */
export function readLink(chip: Target, link: number, address: number, length: number): ScpRequest<Uint8Array> {
  const repeatable = readIsRepeatable(checkLinkAccess(chip, "LINK_READ", link, address, length), address, length);
  return new ShapedRequest(
    { repeatable, minReply: length, maxReply: length, slowMs: LINK_SLOW_MS, decode: replyBytes },
    Command.LINK_READ,
    chip,
    { arg1: address, arg2: length, arg3: link },
    `${length} bytes at ${hex32(address)} over link ${link}`,
  );
}

/**
 * LINK_WRITE (18): 4..256 bytes, whole words, to the neighbour of `chip` over `link`. 4.0.0 hides a failure (RC_OK, and a good write has no
 * data either): read back what matters.
 *
 * Repeatable where the same WRITE would be. Throws `ERR_SPINN_ARGUMENT`, `ERR_SPINN_MEMORY`. Source: scamp-cmd.c `cmd_link_write`.
 */
export function writeLink(chip: Target, link: number, address: number, data: Uint8Array): ScpRequest<void> {
  const area = checkLinkAccess(chip, "LINK_WRITE", link, address, data.length);
  return new ShapedRequest(
    { ...(writeIsRepeatable(area) ? EMPTY_REPEATABLE : EMPTY_ONCE), slowMs: LINK_SLOW_MS },
    Command.LINK_WRITE,
    chip,
    { arg1: address, arg2: data.length, arg3: link, data },
    `${data.length} bytes at ${hex32(address)} over link ${link}`,
  );
}

/** Throws `ERR_SPINN_ARGUMENT` for anything but 0..5. */
export function checkLink(link: number): number {
  return checkInteger("link", link, 0, LINK_COUNT - 1);
}

function checkLinkAccess(chip: Target, command: string, link: number, address: number, length: number): MemoryArea {
  checkMonitor(chip, command);
  checkLink(link);
  checkInteger(`length of a ${command}`, length, 4, SCP_MAX_DATA);
  return checkWords(command, address, length);
}
