import { UDPConnection } from "../connections/index.js";
import { throwIfAborted } from "../errors.js";
import { BOOT_HEADER_SIZE, BOOT_PORT, BootOpcode, decodeBoot } from "../wire/index.js";
import type { CallOptions } from "./call-options.js";

export interface FindBoardsOptions extends CallOptions {
  /** How long to listen, ms. Default 6000: an unbooted board speaks every 4.1 s (spinnaker_bootROM `src/eth_link.c`). */
  readonly forMs?: number | undefined;
  /** End as soon as so many boards were heard. Default 4096, the most that are kept: more than any laboratory has. */
  readonly until?: number | undefined;
  /** Ends it sooner: asked with each new one. */
  readonly isEnough?: ((found: readonly FoundBoard[]) => boolean) | undefined;
  /** Own address to listen on. Default 0.0.0.0: boards broadcast. */
  readonly localHost?: string | undefined;
  /** UDP port they speak to. Default 54321. */
  readonly port?: number | undefined;
  /** Called when the listening begins, with `host:port`. */
  readonly onListening?: ((local: string) => void) | undefined;
}

/** A board that has power and is not booted. */
export interface FoundBoard {
  readonly host: string;
  /** Version of its boot ROM. */
  readonly rom: string;
  readonly firstHeardMs: number;
}

export const MAX_FOUND_BOARDS = 4096;

/**
 * Listens for boards that have power and are not booted: their ROM says hello. Booted ones say nothing. Throws `ERR_SPINN_ADDRESS_IN_USE`,
 * `ERR_SPINN_ARGUMENT` (no address of this host), `ERR_SPINN_ABORTED`.
 */
export async function findBoards(options: FindBoardsOptions = {}): Promise<FoundBoard[]> {
  const { forMs = 6000, until = MAX_FOUND_BOARDS, localHost = "0.0.0.0", port = BOOT_PORT, signal, isEnough, onListening } = options;
  const found = new Map<string, FoundBoard>();
  await using udp = await UDPConnection.open({ localHost, localPort: port, signal });
  const startedAt = performance.now();
  onListening?.(udp.local);
  await new Promise<void>((resolve) => {
    const stop = (): void => {
      clearTimeout(timer);
      signal?.removeEventListener("abort", stop);
      resolve();
    };
    const timer = setTimeout(stop, forMs);
    signal?.addEventListener("abort", stop);
    udp.subscribe({
      onDatagram(datagram, sender) {
        if (sender === undefined || datagram.length < BOOT_HEADER_SIZE || found.size >= MAX_FOUND_BOARDS) return;
        const { version, opcode, operand1 } = decodeBoot(datagram);
        if (version !== 1 || opcode !== BootOpcode.HELLO || found.has(sender.address)) return;
        const rom = `${operand1 >>> 24}.${(operand1 >>> 16) & 0xff}`;
        found.set(sender.address, { host: sender.address, rom, firstHeardMs: Math.round(performance.now() - startedAt) });
        if (found.size >= until || isEnough?.([...found.values()])) stop();
      },
    });
  });
  throwIfAborted(signal);
  return [...found.values()];
}
