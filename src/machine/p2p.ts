/**
 * The point-to-point routing table: 3 bits per destination, 8 destinations per word (24 bits used), columns of equal x together.
 * Word index = x * 32 + (y >> 3), shift = 3 * (y & 7). Source: spinnaker_tools `scamp/scamp-p2p.c`.
 */
export const P2P_NO_ROUTE = 6;
/** The chip itself. */
export const P2P_HERE = 7;

/** Bytes to read of one column for `height` rows: whole words. */
export function p2pColumnBytes(height: number): number {
  return ((height + 7) >>> 3) * 4;
}

/** Entries (0..5 link, 6 no route, 7 here) of y = 0, 1 ... from the bytes of one column; as many as the bytes hold. */
export function decodeP2pColumn(bytes: Uint8Array): Uint8Array {
  const entries = new Uint8Array((bytes.length >>> 2) * 8);
  for (let y = 0; y < entries.length; y += 1) {
    const at = (y >>> 3) * 4;
    const word = bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16);
    entries[y] = (word >>> (3 * (y & 7))) & 7;
  }
  return entries;
}

/** The bytes of one column; places past the end of `entries` have no route. */
export function encodeP2pColumn(entries: ArrayLike<number>): Uint8Array {
  const bytes = new Uint8Array(p2pColumnBytes(entries.length));
  for (let at = 0; at < bytes.length; at += 4) {
    let word = 0;
    for (let i = 0; i < 8; i += 1) word |= ((entries[at * 2 + i] ?? P2P_NO_ROUTE) & 7) << (3 * i);
    bytes[at] = word;
    bytes[at + 1] = word >>> 8;
    bytes[at + 2] = word >>> 16;
  }
  return bytes;
}
