import { checkInteger, SpinnError } from "../../errors.js";
import type { OverflowPolicy } from "./frame-buffer.js";
import { bufferTooSmall, IMD_BUFFER_SIZE_BYTES } from "./imd-frame.js";
import { IMD_MAX_ATOMS } from "./imd-packet.js";

export interface IMDClientOptions {
  /** Memory for frames, unit bytes, default 10 MiB (imdclient `buffer_size`). */
  readonly bufferSizeBytes?: number | undefined;
  /** Exactly so many frames instead of a number of bytes. */
  readonly frames?: number | undefined;
  /** The simulation is paused when empty / all frames falls to this. Default 0.25 (imdclient). */
  readonly pauseEmptyProportion?: number | undefined;
  /** It goes on when empty / all rises to this. Default 0.5 (imdclient). */
  readonly unpauseEmptyProportion?: number | undefined;
  /**
   * Default `pause`. `block` never pauses and stops reading instead: lossless with GROMACS; LAMMPS and NAMD of version 2 then skip frames.
   */
  readonly overflow?: OverflowPolicy | undefined;
  /** `previous` (default): asking for a frame gives back the one before. `explicit`: give frames back with `release`. */
  readonly lease?: "previous" | "explicit" | undefined;
  /**
   * `true` (default): frames are read as they come, apart from the consumer, into the whole buffer. `false`: there is one frame, read
   * when the one before is given back, and no pausing. Meant for tests (imdclient `multithreaded`).
   */
  readonly multithreaded?: boolean | undefined;
  /**
   * Memory that small frames are read to before they are cut out, unit bytes, default 256 KiB. Frames of 64 KiB and more are read where they
   * stay. (Node cannot set the kernel's own receive buffer of a TCP socket.)
   */
  readonly socketBufferSize?: number | undefined;
  /** Longest time for connecting, unit ms, default 5000. */
  readonly connectTimeoutMs?: number | undefined;
  /** Longest time from connection to session information, unit ms, default 5000 (imdclient). */
  readonly handshakeTimeoutMs?: number | undefined;
  /**
   * Longest silence while neither side has paused, unit ms, default 60000. (imdclient 5000; its users found that too short for large
   * systems. GROMACS sends its first frame a second after the handshake.)
   */
  readonly timeoutMs?: number | undefined;
  /** Longest time from the first byte of a frame to its last, pauses not counted, unit ms, default 5 times `timeoutMs`. */
  readonly frameTimeoutMs?: number | undefined;
  /**
   * What the simulation does when this client leaves: `true` goes on, `false` waits for another. Sent as WAIT; version 3 only, without
   * effect on version 2, where GROMACS drops a client that sends it. Default: as the simulation was told.
   */
  readonly continueAfterDisconnect?: boolean | undefined;
  /** Steps between frames, asked for at the start. Below 1: the simulation's own default. Default: not asked. */
  readonly trate?: number | undefined;
  /** Longest wait for the server to close after `stop()`, unit ms, default 500. */
  readonly lingerMs?: number | undefined;
  /** The first SIGINT or SIGTERM stops the client as `stop()` does. The handlers go when the stream ends. Default `false`: none are set. */
  readonly stopOnInterrupt?: boolean | undefined;
  /** Ends the client in whatever it does, with `ERR_SPINN_ABORTED`. */
  readonly signal?: AbortSignal | undefined;
}

/**
 * Everything that can be checked before a connection is made. Throws `ERR_SPINN_ARGUMENT`.
 */
export function checkIMDClientArguments(host: string, port: number, nAtoms: number, options: IMDClientOptions): void {
  if (typeof host !== "string" || host === "") throw new SpinnError("ERR_SPINN_ARGUMENT", "host must be a name or an address");
  checkInteger("port", port, 1, 65535);
  checkInteger("nAtoms", nAtoms, 1, IMD_MAX_ATOMS);
  for (const name of ["timeoutMs", "frameTimeoutMs", "connectTimeoutMs", "handshakeTimeoutMs", "lingerMs"] as const) {
    const value = options[name];
    if (value !== undefined && !(value > 0 && value <= 0x7fffffff)) {
      throw new SpinnError("ERR_SPINN_ARGUMENT", `${name} must be a number of milliseconds above 0, not ${String(value)}`);
    }
  }
  for (const name of ["pauseEmptyProportion", "unpauseEmptyProportion"] as const) {
    const value = options[name];
    if (value !== undefined && !(value >= 0 && value <= 1)) {
      throw new SpinnError("ERR_SPINN_ARGUMENT", `${name} must be a number from 0 to 1, not ${String(value)}`);
    }
  }
  if (options.trate !== undefined) checkInteger("trate", options.trate, -0x80000000, 0x7fffffff);
  if (options.frames !== undefined) checkInteger("frames", options.frames, 1, 0x7fffffff);
  if (options.socketBufferSize !== undefined) checkInteger("socketBufferSize", options.socketBufferSize, 64, 1 << 30);
  const sizeBytes = checkInteger("bufferSizeBytes", options.bufferSizeBytes ?? IMD_BUFFER_SIZE_BYTES, 1, Number.MAX_SAFE_INTEGER);
  // Which blocks come is known only later, and finding out then may cost the run its life. Coordinates are what every engine sends.
  if (options.frames === undefined && options.multithreaded !== false && 12 * nAtoms > sizeBytes) {
    throw bufferTooSmall(sizeBytes, 100 + 36 * nAtoms, nAtoms);
  }
}
