import { SpinnError } from "../../src/errors.js";

/** What a boot image has that a check looks at. */
export function bootImage(): Uint8Array {
  const image = new Uint8Array(1024);
  image.set(new TextEncoder().encode("SC&MP/SpiNNaker\0" + "4.0.0\0"), 600);
  return image;
}

/** The error of ours that a promise must end with. */
export async function failure(promise: Promise<unknown>): Promise<SpinnError> {
  const error = await promise.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  if (error instanceof SpinnError) return error;
  throw new Error(`expected a SpinnError, got ${String(error)}`);
}
