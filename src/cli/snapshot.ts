import { createHash } from "node:crypto";
import { join } from "node:path";
import { hex32, SpinnError } from "../errors.js";
import { type ChipCoordinates, checkAddressRange } from "../machine/index.js";
import { readInputFile } from "./file.js";

/** The file in a snapshot's folder that says what the others are. */
export const MANIFEST = "dump.json";

export interface SnapshotRange extends ChipCoordinates {
  readonly address: number;
  readonly length: number;
  /** Name inside the folder. */
  readonly file: string;
  readonly sha256: string;
}

export interface Snapshot {
  readonly schema: "spinn.snapshot";
  readonly version: 1;
  readonly board: string;
  /** ISO 8601. */
  readonly savedAt: string;
  readonly ranges: SnapshotRange[];
}

export function snapshotFile({ x, y }: ChipCoordinates, address: number): string {
  return `chip-${x}-${y}-${hex32(address).slice(2)}.bin`;
}

/** Reads a snapshot and all its bytes, checked whole before anybody writes a part of it. Throws `ERR_SPINN_FILE`. */
export async function readSnapshot(folder: string): Promise<{ readonly range: SnapshotRange; readonly bytes: Uint8Array }[]> {
  const text = new TextDecoder().decode(await readInputFile(join(folder, MANIFEST), "list of the snapshot"));
  const parts: { range: SnapshotRange; bytes: Uint8Array }[] = [];
  for (const range of checkManifest(folder, text)) {
    const bytes = await readInputFile(join(folder, range.file), "memory of the snapshot");
    if (bytes.length !== range.length) throw damaged(folder, `${range.file} has ${bytes.length} bytes instead of ${range.length}`);
    if (createHash("sha256").update(bytes).digest("hex") !== range.sha256) throw damaged(folder, `${range.file} is not what was saved`);
    parts.push({ range, bytes });
  }
  return parts;
}

function checkManifest(folder: string, text: string): SnapshotRange[] {
  let found: Partial<Snapshot>;
  try {
    found = JSON.parse(text) as Partial<Snapshot>;
  } catch (cause) {
    throw damaged(folder, `${MANIFEST} is no JSON`, cause);
  }
  if (found?.schema !== "spinn.snapshot" || found.version !== 1 || !Array.isArray(found.ranges))
    throw damaged(folder, `${MANIFEST} describes no snapshot`);
  for (const range of found.ranges as Partial<SnapshotRange>[]) {
    const { x, y, address, length, file, sha256 } = range;
    const isNumber = [x, y, address, length].every((value) => Number.isInteger(value));
    // A name of our own making only: a list from elsewhere must not reach outside its folder.
    if (!isNumber || typeof sha256 !== "string" || typeof file !== "string" || !/^chip-\d+-\d+-[0-9a-f]{8}\.bin$/.test(file)) {
      throw damaged(folder, `${MANIFEST} names something that is no range`);
    }
    checkAddressRange(address!, length!);
  }
  return found.ranges;
}

function damaged(folder: string, why: string, cause?: unknown): SpinnError {
  return new SpinnError("ERR_SPINN_FILE", `the snapshot ${folder} is damaged: ${why}`, { hint: "nothing was written to the board", cause });
}
