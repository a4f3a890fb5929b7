/** An APLX image of a size: copies what follows its table to ITCM and starts there. The body differs with `seed`. */
export function applicationImage(sizeBytes: number, seed = 1): Uint8Array {
  const image = new Uint8Array(sizeBytes);
  const view = new DataView(image.buffer);
  const table = [2, 0, 0x40, sizeBytes - 0x40, 4, 0, 0, 0];
  table.forEach((word, i) => {
    view.setUint32(4 * i, word, true);
  });
  for (let at = 0x40, value = seed; at < sizeBytes; at += 4) {
    value = (Math.imul(value, 1664525) + 1013904223) >>> 0;
    view.setUint32(at, value, true);
  }
  return image;
}
