import { getVersion, ROOT_CHIP, type VersionInfo } from "../commands/index.js";
import { SCAMPConnection, type SCAMPConnectionOptions, type TokenBucket } from "../connections/index.js";
import { SpinnError } from "../errors.js";
import { pause, within } from "./pause.js";
import { Session } from "./session.js";

export interface ConnectOptions extends SCAMPConnectionOptions {
  /** How long a board may stay silent before it is taken for absent, ms. Default 3000: three tries of SpiNNMan's second. */
  readonly probeMs?: number;
  /** How long a machine may go on saying that it is still booting, ms. Default 15000: three times what 48 chips take (boot.md, computed). */
  readonly readyMs?: number;
  /** One token per datagram, repeats included, of all connections of the session together: keeps many boards below what the host's link carries. Default none. */
  readonly tokenBucket?: TokenBucket;
}

const DEFAULT_PROBE_MS = 3000;
const DEFAULT_READY_MS = 15_000;
/** Between two questions to a machine that is still booting, ms. SpiNNMan asks as often. */
const POLL_MS = 100;

/**
 * Opens a connection to a booted machine: SC&MP must answer and know its place.
 * Throws `ERR_SPINN_TIMEOUT` (silence), `ERR_SPINN_UNREACHABLE` (closed port, unknown name), `ERR_SPINN_WRONG_DEVICE` (a BMP, something
 * else), `ERR_SPINN_BOOT` (still booting after `readyMs`), `ERR_SPINN_ABORTED`.
 */
export async function connect(options: ConnectOptions): Promise<Session> {
  const connection = await SCAMPConnection.open(options);
  try {
    const first = await probe(connection, options.probeMs ?? DEFAULT_PROBE_MS, options.signal);
    if (first === undefined) throw silence(connection.remote);
    const version = await waitUntilReady(connection, checkMonitor(first, connection.remote), options);
    return new Session(connection, version, options);
  } catch (error) {
    await connection.close();
    throw error;
  }
}

/** Asks for the version, for so long; `undefined`: nobody answered. Throws `ERR_SPINN_UNREACHABLE` when the port is closed. */
export async function probe(connection: SCAMPConnection, ms: number, signal: AbortSignal | undefined): Promise<VersionInfo | undefined> {
  try {
    return await within(ms, signal, (limited) => connection.pipeline.call(getVersion(ROOT_CHIP), { signal: limited }));
  } catch (error) {
    if (error instanceof SpinnError && error.code === "ERR_SPINN_TIMEOUT") return undefined;
    if (error instanceof SpinnError && error.code === "ERR_SPINN_UNREACHABLE") {
      throw new SpinnError("ERR_SPINN_UNREACHABLE", `${connection.remote} refuses UDP: no board is there`, {
        hint: "check the address; a SpiNNaker board never refuses, it is silent until it is booted",
        board: connection.remote,
        cause: error,
      });
    }
    throw error;
  }
}

/** Throws `ERR_SPINN_WRONG_DEVICE` for anything that is not SC&MP. */
export function checkMonitor(version: VersionInfo, remote: string): VersionInfo {
  if (version.name === "SC&MP") return version;
  if (version.name === "BC&MP") {
    throw new SpinnError("ERR_SPINN_WRONG_DEVICE", `${remote} is a board management processor (BMP), not a SpiNNaker board`, {
      hint: "the board's own address is usually the BMP's plus one in the last octet",
      board: remote,
    });
  }
  throw new SpinnError("ERR_SPINN_WRONG_DEVICE", `${remote} runs "${version.name}", not SC&MP`, { board: remote });
}

/** Asks until the machine knows its place. Throws `ERR_SPINN_BOOT` when that takes longer than `readyMs`. */
export async function waitUntilReady(
  connection: SCAMPConnection,
  first: VersionInfo,
  options: { readonly readyMs?: number; readonly signal?: AbortSignal | undefined },
): Promise<VersionInfo> {
  const readyMs = options.readyMs ?? DEFAULT_READY_MS;
  const giveUpAt = performance.now() + readyMs;
  let version = first;
  while (!version.ready) {
    if (performance.now() > giveUpAt) {
      throw new SpinnError("ERR_SPINN_BOOT", `${connection.remote} says after ${readyMs} ms that it is still booting`, {
        hint: "48 chips take about 5 s; if this lasts, switch the board off and on and boot it again",
        board: connection.remote,
      });
    }
    await pause(POLL_MS, options.signal);
    version = (await probe(connection, Math.max(POLL_MS, giveUpAt - performance.now()), options.signal)) ?? version;
  }
  return version;
}

function silence(remote: string): SpinnError {
  return new SpinnError("ERR_SPINN_TIMEOUT", `${remote} does not answer`, {
    hint: "is it powered, connected and booted? A board without power and one that is not booted are both silent: boot it first",
    board: remote,
  });
}
