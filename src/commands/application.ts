import { checkInteger, hex32, SpinnError } from "../errors.js";
import { checkAppId, coreMask, coresOfMask, SDRAM_SYSTEM_BUFFER_SIZE } from "../machine/index.js";
import { Command, ReturnCode, type ScpRequest } from "../wire/index.js";
import { checkWords } from "./address.js";
import { checkLink } from "./link.js";
import { EMPTY_ONCE, type RequestShape, replyWord, ShapedRequest } from "./shaped-request.js";
import { checkMonitor, type Target } from "./target.js";

/** Who starts where. */
export interface ApplicationStart {
  /** 1..255; 0 is the system. */
  readonly appId: number;
  /** Virtual cores 1..17; core 0 is the monitor. */
  readonly cores: Iterable<number>;
  /** Stop in state WAIT until the signal START. Default `false`. */
  readonly wait?: boolean;
}

/** What an image is copied from and held against. */
export interface ApplicationCopy {
  /** Link to the neighbour whose load buffer holds the image. */
  readonly link: number;
  /** Length of the image, a multiple of 4. Unit bytes. */
  readonly sizeBytes: number;
  /** See {@link imageChecksum}. Default: not checked. */
  readonly checksum?: number | undefined;
  /** How long the copy may take before it is taken for lost. Unit ms. Default 6000, as SpiNNMan. */
  readonly slowMs?: number | undefined;
}

// 10 tries per word over the link; SpiNNMan allows 6 s.
const COPY_SLOW_MS = 6000;

/**
 * AR (19): start the image in the load buffer (sv.sdram_sys). The reply comes at once, the cores start afterwards: ask for their states.
 *
 * Not repeatable: `proc_start_app` resets the cores again, so what had started is lost, and counts them twice in app_data (scamp-app.c).
 * Throws `ERR_SPINN_ARGUMENT`.
 */
export function startApplication(chip: Target, start: ApplicationStart): ScpRequest<void> {
  const word = startWord(start);
  return new ShapedRequest(EMPTY_ONCE, Command.AR, checkMonitor(chip, "AR"), { arg1: word }, startWords(word));
}

/** AS (24): as {@link startApplication}, with the image at `address` (a word address). Not repeatable, for the same reason. */
export function startApplicationAt(chip: Target, address: number, start: ApplicationStart): ScpRequest<void> {
  checkWords("an image", address, 16);
  const word = startWord(start);
  const fields = { arg1: address, arg2: word };
  return new ShapedRequest(EMPTY_ONCE, Command.AS, checkMonitor(chip, "AS"), fields, `${startWords(word)} from ${hex32(address)}`);
}

/**
 * APP_COPY_RUN (21) with no cores: copy the image from the neighbour's load buffer into this chip's and start nothing. Repeatable: the same
 * words land in the same place, and `proc_start_app` returns at once for an empty mask. Since 4.0.0.
 *
 * A checksum that differs ends in `ERR_SPINN_LOAD`. 4.0.0 hides a link failure (RC_OK without data, as a success has): a checksum does not
 * help there, reading back does. Throws `ERR_SPINN_ARGUMENT`. Source: scamp-cmd.c `cmd_app_copy_run`.
 */
export function copyApplication(chip: Target, copy: ApplicationCopy): ScpRequest<void> {
  return copyRequest(chip, copy, 0, true);
}

/**
 * APP_COPY_RUN (21): copy the image from the neighbour's load buffer, then start it. Not repeatable: the copy is harmless, the start
 * resets cores that already run. After silence ask for the states instead. Otherwise as {@link copyApplication}.
 */
export function copyAndStartApplication(chip: Target, copy: ApplicationCopy, start: ApplicationStart): ScpRequest<void> {
  return copyRequest(chip, copy, startWord(start), false);
}

/**
 * Sum of an image's little-endian words, modulo 2^32, as SC&MP computes it. Throws `ERR_SPINN_ARGUMENT` for a part of a word at the end.
 */
export function imageChecksum(image: Uint8Array): number {
  if (image.length % 4 !== 0) throw new SpinnError("ERR_SPINN_ARGUMENT", `${image.length} bytes are not whole words`);
  const view = new DataView(image.buffer, image.byteOffset, image.length);
  let sum = 0;
  for (let i = 0; i < image.length; i += 4) sum = (sum + view.getUint32(i, true)) >>> 0;
  return sum;
}

/** Cores as a mask. Throws `ERR_SPINN_ARGUMENT` for a core outside 1..17: the monitor starts no application. */
export function applicationCores(cores: Iterable<number>): number {
  const mask = coreMask(cores);
  if ((mask & 1) === 0) return mask;
  throw new SpinnError("ERR_SPINN_ARGUMENT", "core 0 is the monitor and runs no application", { hint: "name cores 1 to 17" });
}

/**
 * app_id[31:24], flags[23:18], core mask[17:0], as AR, AS, APP_COPY_RUN and FFE take it. Only FFE may name no cores. Throws
 * `ERR_SPINN_ARGUMENT`.
 */
export function startWord(start: ApplicationStart, mayBeEmpty = false): number {
  checkAppId(start.appId);
  const mask = applicationCores(start.cores);
  if (mask === 0 && !mayBeEmpty) throw new SpinnError("ERR_SPINN_ARGUMENT", "no cores to start on");
  return ((start.appId << 24) | (start.wait ? 1 << 18 : 0) | mask) >>> 0;
}

function startWords(word: number): string {
  const cores = coresOfMask(word & 0x3ffff);
  return `app ${word >>> 24} on cores ${cores.join(",")}`;
}

function copyRequest(chip: Target, copy: ApplicationCopy, word: number, repeatable: boolean): ScpRequest<void> {
  checkMonitor(chip, "APP_COPY_RUN");
  checkLink(copy.link);
  checkInteger("size of the image", copy.sizeBytes, 4, SDRAM_SYSTEM_BUFFER_SIZE);
  if (copy.sizeBytes % 4 !== 0) throw new SpinnError("ERR_SPINN_ARGUMENT", `an image of ${copy.sizeBytes} bytes is not whole words`);
  const checksum = checkInteger("checksum", copy.checksum ?? 0, 0, 0xffffffff);
  const shape: RequestShape<void> = {
    repeatable,
    minReply: 0,
    // Four bytes are the checksum that the chip computed: RC_SUM, which 4.0.0 delivers as RC_OK.
    maxReply: 4,
    slowMs: copy.slowMs ?? COPY_SLOW_MS,
    acceptedCodes: [ReturnCode.SUM],
    decode(datagram, returnCode) {
      if (returnCode === ReturnCode.OK && datagram.length < 18) return;
      const computed = datagram.length < 18 ? "another one" : hex32(replyWord(datagram, 0));
      throw new SpinnError(
        "ERR_SPINN_LOAD",
        `the image did not arrive whole: checksum ${hex32(checksum)} expected, the chip got ${computed}`,
        {
          hint: "copy again; if it stays so, look at the link between the two chips",
        },
      );
    },
  };
  const fields = { arg1: (checksum << 3) | copy.link, arg2: copy.sizeBytes, arg3: word };
  const words = `${copy.sizeBytes} bytes over link ${copy.link}${word === 0 ? "" : `, ${startWords(word)}`}`;
  return new ShapedRequest(shape, Command.APP_COPY_RUN, chip, fields, words);
}
