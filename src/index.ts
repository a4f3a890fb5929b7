import { Transceiver, type TransceiverOptions } from "./transceiver/index.js";

export { SpinnError, type SpinnErrorCode, type SpinnErrorDetails } from "./errors.js";
export * from "./machine/index.js";
export * from "./transceiver/index.js";

/**
 * Opens a connection to a booted SpiNNaker machine: the front door of this package.
 *
 * ```ts
 * import { connect } from "spinnkit";
 *
 * await using spinn = await connect("192.168.240.1");
 * const { machine } = await spinn.discover();
 * const bytes = await spinn.readMemory({ x: 0, y: 0 }, 0x60240000, 4096);
 * ```
 *
 * `host` is a name or an IPv4 address. Throws `ERR_SPINN_UNREACHABLE` (unknown name, closed port), `ERR_SPINN_TIMEOUT` (silence),
 * `ERR_SPINN_WRONG_DEVICE` (a BMP, other firmware), `ERR_SPINN_BOOT` (still booting), `ERR_SPINN_ABORTED`.
 */
export function connect(host: string, options: Omit<TransceiverOptions, "host"> = {}): Promise<Transceiver> {
  return Transceiver.connect({ ...options, host });
}
