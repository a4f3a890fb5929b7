import { UDPConnection } from "../connections/index.js";
import { BOOT_HEADER_SIZE, BootOpcode, decodeBoot } from "../wire/index.js";

/** A board that has power and is not booted. */
export interface Hello {
  readonly host: string;
  /** Version of its boot ROM. */
  readonly rom: string;
  readonly firstHeardMs: number;
}

export interface HelloOptions {
  /** Own address to listen on. */
  readonly listen: string;
  readonly port: number;
  /** How long to listen, ms. An unbooted board speaks every 4.1 s (spinnaker_bootROM `src/eth_link.c`). */
  readonly forMs: number;
  readonly signal: AbortSignal;
  /** Ends it sooner. */
  readonly isEnough: (found: ReadonlyMap<string, Hello>) => boolean;
  /** Called when it listens, with its own address. */
  readonly onListening?: (local: string) => void;
}

/** Addresses kept: more boards than any laboratory has. */
export const MAX_BOARDS = 4096;

/** Listens for the hellos of unbooted boards; by address. Throws `ERR_SPINN_UNREACHABLE` when the port is taken. */
export async function hearHellos(options: HelloOptions): Promise<ReadonlyMap<string, Hello>> {
  const { listen, port, forMs, signal, isEnough, onListening } = options;
  const found = new Map<string, Hello>();
  await using udp = await UDPConnection.open({ localHost: listen, localPort: port, signal });
  const startedAt = performance.now();
  onListening?.(udp.local);
  await new Promise<void>((resolve) => {
    const timer = setTimeout(resolve, forMs);
    const stop = (): void => {
      clearTimeout(timer);
      resolve();
    };
    signal.addEventListener("abort", stop, { once: true });
    udp.subscribe({
      onDatagram(datagram, sender) {
        if (sender === undefined || datagram.length < BOOT_HEADER_SIZE || found.size >= MAX_BOARDS) return;
        const { version, opcode, operand1 } = decodeBoot(datagram);
        if (version !== 1 || opcode !== BootOpcode.HELLO || found.has(sender.address)) return;
        const rom = `${operand1 >>> 24}.${(operand1 >>> 16) & 0xff}`;
        found.set(sender.address, { host: sender.address, rom, firstHeardMs: Math.round(performance.now() - startedAt) });
        if (isEnough(found)) stop();
      },
    });
  });
  signal.throwIfAborted();
  return found;
}
