import { readRequests } from "../commands/index.js";
import {
  type ChipCoordinates,
  decodeP2pColumn,
  isLink,
  type Link,
  P2P_COLUMN_SIZE,
  P2P_HERE,
  P2P_NO_ROUTE,
  P2P_TABLE,
  p2pColumnBytes,
} from "../machine/index.js";
import type { ScpRequest } from "../wire/index.js";
import type { CallOptions } from "./call-options.js";
import type { Session } from "./session.js";

/** Where one chip sends messages for other chips. */
export class P2PTable {
  readonly width: number;
  readonly height: number;
  /** Entry of x,y at `x * height + y`: 0..5 a link, 6 no route, 7 the chip itself. */
  readonly #entries: Uint8Array;

  constructor(width: number, height: number, entries: Uint8Array) {
    this.width = width;
    this.height = height;
    this.#entries = entries;
  }

  /** The link on the way to a chip; `"here"` for the chip itself; `undefined` where there is no route. */
  linkTo(chip: ChipCoordinates): Link | "here" | undefined {
    const inside = chip.x >= 0 && chip.x < this.width && chip.y >= 0 && chip.y < this.height;
    const entry = inside ? this.#entries[chip.x * this.height + chip.y]! : P2P_NO_ROUTE;
    if (entry === P2P_HERE) return "here";
    return isLink(entry) ? entry : undefined;
  }

  /** Every chip with a route, the chip itself included, column by column. */
  *chips(): IterableIterator<ChipCoordinates> {
    for (let x = 0; x < this.width; x += 1) {
      for (let y = 0; y < this.height; y += 1) if (this.linkTo({ x, y }) !== undefined) yield { x, y };
    }
  }
}

/** Reads the P2P table of a chip for a machine of this size. Since 4.0.0 only the root's knows every chip. */
export async function readP2PTable(
  session: Session,
  chip: ChipCoordinates,
  size: { readonly width: number; readonly height: number },
  options: CallOptions = {},
): Promise<P2PTable> {
  const { width, height } = size;
  const columnBytes = p2pColumnBytes(height);
  const table = new Uint8Array(width * columnBytes);
  function* columns(): Generator<ScpRequest<void>> {
    for (let x = 0; x < width; x += 1) {
      yield* readRequests(chip, P2P_TABLE + x * P2P_COLUMN_SIZE, columnBytes, table.subarray(x * columnBytes));
    }
  }
  await session.run(chip, columns(), options);
  const entries = new Uint8Array(width * height);
  for (let x = 0; x < width; x += 1) {
    entries.set(decodeP2pColumn(table.subarray(x * columnBytes, (x + 1) * columnBytes)).subarray(0, height), x * height);
  }
  return new P2PTable(width, height, entries);
}
