import { SpinnError } from "../../errors.js";

/** What a frame of the proxy's WebSocket begins with: JavaSpiNNaker, alloc/proxy/ProxyOp. All words are little-endian. */
const ProxyOp = { OPEN: 0, CLOSE: 1, MESSAGE: 2, OPEN_UNCONNECTED: 3, MESSAGE_TO: 4, ERROR: 5 } as const;

/** A frame from the proxy. `correlation` is what the client has sent with its request. */
export type ProxyFrame =
  | { readonly kind: "opened"; readonly correlation: number; readonly channel: number }
  /** `channel` is 0 for one that was not open. */
  | { readonly kind: "closed"; readonly correlation: number; readonly channel: number }
  /** `host` and `port`: where boards reach the channel, for their IP tags. */
  | { readonly kind: "listening"; readonly correlation: number; readonly channel: number; readonly host: string; readonly port: number }
  | { readonly kind: "datagram"; readonly channel: number; readonly datagram: Uint8Array }
  | { readonly kind: "error"; readonly correlation: number; readonly words: string };

export interface ProxyPeer {
  /** An Ethernet chip, counted from the job's corner. */
  readonly chip: { readonly x: number; readonly y: number };
  /** UDP port. */
  readonly port: number;
}

/** A channel to one port of one board. */
export function encodeOpen(correlation: number, { chip, port }: ProxyPeer): Uint8Array {
  return words([ProxyOp.OPEN, correlation, chip.x, chip.y, port]);
}

/** A channel without a fixed peer. */
export function encodeOpenUnconnected(correlation: number): Uint8Array {
  return words([ProxyOp.OPEN_UNCONNECTED, correlation]);
}

export function encodeClose(correlation: number, channel: number): Uint8Array {
  return words([ProxyOp.CLOSE, correlation, channel]);
}

export function encodeDatagram(channel: number, datagram: Uint8Array): Uint8Array {
  return words([ProxyOp.MESSAGE, channel], datagram);
}

/** A datagram on a channel without a fixed peer. */
export function encodeDatagramTo(channel: number, { chip, port }: ProxyPeer, datagram: Uint8Array): Uint8Array {
  return words([ProxyOp.MESSAGE_TO, channel, chip.x, chip.y, port], datagram);
}

/** Reads a frame from the proxy. Throws `ERR_SPINN_PROTOCOL` for one that is too short, too long, or of no known kind. */
export function decodeProxyFrame(frame: Uint8Array): ProxyFrame {
  const view = new DataView(frame.buffer, frame.byteOffset, frame.byteLength);
  const word = (index: number): number => {
    if (frame.length < 4 * index + 4) throw malformed(`a frame of ${frame.length} bytes, which is too short`);
    return view.getUint32(4 * index, true);
  };
  const exactly = (size: number): void => {
    if (frame.length !== size) throw malformed(`a frame of ${frame.length} bytes where ${size} belong`);
  };
  switch (word(0)) {
    case ProxyOp.OPEN:
      exactly(12);
      return { kind: "opened", correlation: word(1), channel: word(2) };
    case ProxyOp.CLOSE:
      exactly(12);
      return { kind: "closed", correlation: word(1), channel: word(2) };
    case ProxyOp.OPEN_UNCONNECTED:
      exactly(20);
      // The address alone is in network order.
      return { kind: "listening", correlation: word(1), channel: word(2), host: frame.subarray(12, 16).join("."), port: word(4) };
    case ProxyOp.MESSAGE:
      return { kind: "datagram", channel: word(1), datagram: frame.subarray(8) };
    case ProxyOp.ERROR:
      return { kind: "error", correlation: word(1), words: new TextDecoder().decode(frame.subarray(8, 8 + 1000)) };
    default:
      throw malformed(`a frame of the unknown kind ${word(0)}`);
  }
}

function words(values: readonly number[], rest: Uint8Array = new Uint8Array()): Uint8Array {
  const frame = new Uint8Array(4 * values.length + rest.length);
  const view = new DataView(frame.buffer);
  for (const [i, value] of values.entries()) view.setUint32(4 * i, value, true);
  frame.set(rest, 4 * values.length);
  return frame;
}

function malformed(what: string): SpinnError {
  return new SpinnError("ERR_SPINN_PROTOCOL", `the proxy of the allocation server sent ${what}`);
}
