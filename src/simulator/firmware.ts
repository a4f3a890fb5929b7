import { SpinnError } from "../errors.js";

/** What one version of SC&MP does differently from another. Source: the tags of spinnaker_tools; see the members. */
export interface Firmware {
  /** `major.minor.patch` */
  readonly version: string;
  readonly major: number;
  readonly minor: number;
  readonly patch: number;
  /** Seconds since 1970, part of VER's reply. */
  readonly buildTime: number;
  /** Core 0 answers RC_OK without data where it means an error (4.0.0 on). */
  readonly masksErrors: boolean;
  /** COUNT, APP_COPY_RUN and SYNC exist; SIG type 1 does not (4.0.0 on). */
  readonly countsBoards: boolean;
  /** Flood fill looks at regions (up to 3.4.1). */
  readonly honoursRegions: boolean;
  /** ALLOC knows the retry flag (4.0.0 on). */
  readonly allocatesAgain: boolean;
  /** P2P tables hold every chip (up to 3.4.1). */
  readonly knowsAllChips: boolean;
  /** Payload bytes of INFO. */
  readonly infoBytes: number;
}

/** Reads `4.0.0`. Throws `ERR_SPINN_ARGUMENT` for what is no version, or older than 2.1. `maskErrors` overrides the firmware's own way. */
export function firmware(version: string, maskErrors?: boolean): Firmware {
  const match = /^(\d{1,3})\.(\d{1,3})\.(\d{1,3})/.exec(version);
  const [major = 0, minor = 0, patch = 0] = match?.slice(1).map(Number) ?? [];
  if (match === null || major < 2 || major > 255) {
    throw new SpinnError("ERR_SPINN_ARGUMENT", `"${version}" is no version of SC&MP that can be simulated`, {
      hint: "use 4.0.0 or 3.4.1",
    });
  }
  const four = major >= 4;
  const old = major === 3 && minor < 4;
  return {
    version,
    major,
    minor,
    patch,
    buildTime: 1_700_000_000,
    masksErrors: maskErrors ?? four,
    countsBoards: four,
    honoursRegions: !four,
    allocatesAgain: four,
    knowsAllChips: !four,
    infoBytes: major < 3 ? 30 : old ? 36 : 38,
  };
}

/** The version inside a boot image: the text behind `SC&MP/SpiNNaker`; `undefined` when there is none. */
export function firmwareOfImage(image: Uint8Array): string | undefined {
  const text = new TextDecoder("latin1").decode(image);
  return /SC&MP\/SpiNNaker\0+(\d{1,3}\.\d{1,3}\.\d{1,3})[^\0]{0,24}\0/.exec(text)?.[1];
}
