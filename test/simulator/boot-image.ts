import { bootBlock, bootControl, bootStart, encodeBoot } from "../../src/wire/index.js";
import { TestClient } from "./client.js";

/** An image with start values at 384 and a version, otherwise nothing. */
export function bootImage(version: string): Uint8Array {
  const image = new Uint8Array(3 * 1024 + 100);
  const view = new DataView(image.buffer, 384);
  view.setUint32(0x1c, 1_700_000_000, true);
  view.setUint32(0x30, 1, true);
  view.setUint8(0x2a, 100);
  view.setUint8(0x40, 1);
  view.setUint8(0x41, 7);
  view.setUint16(0x24, 150, true);
  view.setUint32(0x48, 1024, true);
  view.setUint32(0x50, 16384, true);
  view.setUint32(0x54, 8388608, true);
  view.setUint32(0x58, 32768, true);
  view.setUint8(0x65, 0x3f);
  image.set(new TextEncoder().encode(`SC&MP/SpiNNaker\0${version}\0`), 2000);
  return image;
}

export const blocks = (image: Uint8Array): Uint8Array[] =>
  Array.from({ length: Math.ceil(image.length / 1024) }, (_, i) => encodeBoot(bootBlock(i, image.subarray(1024 * i, 1024 * (i + 1)))));

/** Sends a whole image to a boot ROM. */
export async function sendImage(target: { readonly host: string; readonly port: number }, image: Uint8Array): Promise<void> {
  await using client = await TestClient.open(target);
  const parts = blocks(image);
  for (const datagram of [encodeBoot(bootStart(parts.length)), ...parts, encodeBoot(bootControl())]) client.send(datagram);
  // What was sent has to leave before the socket is closed.
  await new Promise((resolve) => client.socket.send(new Uint8Array(1), target.port, target.host, resolve));
}
