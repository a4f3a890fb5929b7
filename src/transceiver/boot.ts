import type { VersionInfo } from "../commands/index.js";
import { BootConnection, type OpenChannel, SCAMPConnection, TokenBucket } from "../connections/index.js";
import { SpinnError } from "../errors.js";
import { BOOT_BLOCK_SIZE, bootBlock, bootControl, bootStart } from "../wire/index.js";
import { type BootOverrides, patchBootImage } from "./boot-image.js";
import type { LongCallOptions } from "./call-options.js";
import { ProgressCounter } from "./call-options.js";
import { checkMonitor, probe, waitUntilReady } from "./connect.js";
import { pause } from "./pause.js";

export interface BootOptions extends LongCallOptions {
  /** Name or IPv4 address of the board. */
  readonly host: string;
  /** UDP port of SC&MP. Default 17893. */
  readonly port?: number | undefined;
  /** UDP port of the boot ROM. Default 54321. */
  readonly bootPort?: number | undefined;
  /** How datagrams get there. Default: this computer's own network. */
  readonly open?: OpenChannel | undefined;
  /** Version of the board, 1..5; 0 leaves it to the serial ROM. Default 0. */
  readonly boardVersion?: number | undefined;
  /** Start values of system variables by name (`sv` fields below offset 128), e.g. `{ soft_wdog: 0 }`. Default: what the image holds. */
  readonly systemVariables?: BootOverrides | undefined;
  /** Packets per second. Default 100: the ROM acknowledges nothing, and ybug's 10 ms pause is what is proven. */
  readonly packetsPerSecond?: number | undefined;
  /** Silence that is expected after the image has been started, ms. Default 2000, as ybug, rig and SpiNNMan wait. */
  readonly settleMs?: number | undefined;
  /** How long after that one attempt may take until the machine answers with its place, ms. Default 10000. */
  readonly readyMs?: number | undefined;
  /** How long the board is asked first whether it is booted already, ms. Default 1000. */
  readonly probeMs?: number | undefined;
  /** Times the image is sent before giving up. Default 3, as SpiNNMan. */
  readonly attempts?: number | undefined;
}

export interface BootResult {
  readonly version: VersionInfo;
  /** The board ran SC&MP already: nothing was sent. */
  readonly alreadyBooted: boolean;
  /** Times the image was sent. */
  readonly attempts: number;
}

/** Between two questions to a machine that comes up, ms. */
const POLL_MS = 200;

/**
 * Boots a machine from one board: sends the image to the boot ROM, then waits until SC&MP knows its place. Does nothing to a booted board.
 * A lost packet shows as silence, so the image is then sent again.
 *
 * Throws `ERR_SPINN_FILE` (not a boot image), `ERR_SPINN_WRONG_DEVICE` (a BMP), `ERR_SPINN_BOOT` (did not come up), `ERR_SPINN_UNREACHABLE`,
 * `ERR_SPINN_ABORTED`.
 */
export async function boot(image: Uint8Array, options: BootOptions): Promise<BootResult> {
  const { host, port, open, signal, probeMs = 1000, readyMs = 10_000, attempts = 3 } = options;
  await using scamp = await SCAMPConnection.open({ host, port, open, signal });
  const first = await probe(scamp, probeMs, signal);
  if (first !== undefined) {
    const version = await waitUntilReady(scamp, checkMonitor(first, scamp.remote), { readyMs, signal });
    return { version, alreadyBooted: true, attempts: 0 };
  }
  const patched = patchBootImage(image, options.boardVersion ?? 0, options.systemVariables ?? {});
  await using rom = await BootConnection.open({ host, port: options.bootPort, open, signal });
  for (let attempt = 1; attempt <= attempts; attempt += 1) {
    await sendImage(rom, patched, options);
    await pause(options.settleMs ?? 2000, signal);
    const version = await awaitMonitor(scamp, readyMs, signal);
    if (version !== undefined) return { version, alreadyBooted: false, attempts: attempt };
  }
  throw new SpinnError(
    "ERR_SPINN_BOOT",
    `${scamp.remote} did not come up: the boot image was sent ${attempts} times, then nobody answered for ${readyMs} ms`,
    {
      hint: "is the board powered, and is this its own address and not the BMP's? If it was half booted, switch it off and on first",
      board: scamp.remote,
    },
  );
}

/** Start, blocks, control. A ROM that is in the middle of a transfer ignores the start and takes what it lacks. */
async function sendImage(rom: BootConnection, image: Uint8Array, options: BootOptions): Promise<void> {
  const bucket = new TokenBucket(1, options.packetsPerSecond ?? 100);
  const blocks = Math.ceil(image.length / BOOT_BLOCK_SIZE);
  const progress = new ProgressCounter(options, "boot", blocks + 2, "packets");
  const send = async (message: Parameters<BootConnection["send"]>[0]): Promise<void> => {
    await bucket.consume(1, { signal: options.signal });
    rom.send(message);
    progress.add(1);
  };
  await send(bootStart(blocks));
  for (let index = 0; index < blocks; index += 1) {
    await send(bootBlock(index, image.subarray(index * BOOT_BLOCK_SIZE, (index + 1) * BOOT_BLOCK_SIZE)));
  }
  await send(bootControl());
}

/** The version, once the machine knows its place; `undefined`: silence. Silence, refusals and 255,255 are all normal on the way. */
async function awaitMonitor(scamp: SCAMPConnection, readyMs: number, signal: AbortSignal | undefined): Promise<VersionInfo | undefined> {
  const giveUpAt = performance.now() + readyMs;
  for (let left = readyMs; left > 0; left = giveUpAt - performance.now()) {
    const version = await probe(scamp, Math.min(left, 5 * POLL_MS), signal).catch((error: unknown) => {
      if (error instanceof SpinnError && error.code === "ERR_SPINN_UNREACHABLE") return undefined;
      throw error;
    });
    if (version !== undefined) {
      return waitUntilReady(scamp, checkMonitor(version, scamp.remote), { readyMs: giveUpAt - performance.now(), signal });
    }
    await pause(POLL_MS, signal);
  }
  return undefined;
}
