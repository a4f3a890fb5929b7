import { SpinnError } from "../errors.js";
import { Command, type ScpRequest } from "../wire/index.js";
import { type RequestShape, replyView, ShapedRequest } from "./shaped-request.js";
import { checkTarget, type Target } from "./target.js";

/** `4.0.0`, with what stood behind a dash as `label`. */
export interface SoftwareVersion {
  readonly major: number;
  readonly minor: number;
  readonly patch: number;
  readonly label?: string;
}

export interface VersionText {
  /** `SC&MP` for a monitor, `SARK` for an application core, `BC&MP` for a BMP. */
  readonly name: string;
  /** `SpiNNaker`, or `Spin5-BMP` and the like. */
  readonly hardware: string;
  readonly version: SoftwareVersion;
  /** Largest data block in bytes: 256. */
  readonly bufferSize: number;
  /** Unix seconds. */
  readonly buildDate: number;
}

export interface VersionInfo extends VersionText {
  readonly virtualCore: number;
  readonly physicalCore: number;
  readonly x: number;
  readonly y: number;
  /** `false` while the machine is still booting: the position is 255,255 until then. Ask again. */
  readonly ready: boolean;
}

/** VER answers 12 bytes and one or two strings. */
export const VERSION_MIN_REPLY = 14;
export const VERSION_MAX_REPLY = 12 + 256;

const SHAPE: RequestShape<VersionInfo> = {
  repeatable: true,
  minReply: VERSION_MIN_REPLY,
  maxReply: VERSION_MAX_REPLY,
  decode(datagram) {
    const view = replyView(datagram);
    const x = view.getUint8(3);
    const y = view.getUint8(2);
    const place = { virtualCore: view.getUint8(0), physicalCore: view.getUint8(1), x, y, ready: x !== 255 || y !== 255 };
    return { ...place, ...decodeVersionText(view) };
  },
};

/**
 * VER (0): what runs there, and where "there" is. The first packet to any board: position 255,255 in the reply is the only sign that
 * booting still goes on. Repeatable: it only reads. Throws `ERR_SPINN_ARGUMENT`; decoding throws `ERR_SPINN_PROTOCOL` for a text that
 * names no version. Source: scamp-cmd.c `cmd_ver`.
 */
export function getVersion(target: Target): ScpRequest<VersionInfo> {
  return new ShapedRequest(SHAPE, Command.VER, checkTarget(target), {}, "");
}

/** The second and third word and the strings, which SC&MP, SARK and the BMP share. */
export function decodeVersionText(view: DataView): VersionText {
  const number = view.getUint16(6, true);
  const strings = text(view, 12).split("\0");
  const [name = "", hardware = ""] = (strings[0] ?? "").split("/", 2);
  // 0xFFFF: the version is in the second string. Before 2.0 the number is the version times 100.
  const version = number === 0xffff ? parseVersion(strings[1] ?? "") : { major: Math.trunc(number / 100), minor: number % 100, patch: 0 };
  return { name, hardware, version, bufferSize: view.getUint16(4, true), buildDate: view.getUint32(8, true) };
}

function parseVersion(words: string): SoftwareVersion {
  const match = /^(\d+)\.(\d+)\.(\d+)(?:-(.*))?$/.exec(words);
  if (match === null) throw new SpinnError("ERR_SPINN_PROTOCOL", `VER answered with the version ${JSON.stringify(words)}`);
  const numbers = { major: Number(match[1]), minor: Number(match[2]), patch: Number(match[3]) };
  return match[4] === undefined ? numbers : { ...numbers, label: match[4] };
}

// The firmware's strings are ASCII; other bytes are shown as Latin-1 rather than trusted.
function text(view: DataView, from: number): string {
  let letters = "";
  for (let i = from; i < view.byteLength; i++) letters += String.fromCharCode(view.getUint8(i));
  return letters;
}
