import { constants } from "node:fs";
import { type FileHandle, open } from "node:fs/promises";
import { checkInteger, SpinnError } from "../../errors.js";
import { parseCreateTable, type SQLiteTable } from "./sqlite-schema.js";

export type SQLiteValue = number | string | Uint8Array | null;
export type SQLiteRow = Readonly<Record<string, SQLiteValue>>;

export interface SQLiteFileOptions {
  /** Largest file that is taken, unit bytes, default 256 MiB: it is held in memory while it is read. */
  readonly maxBytes?: number | undefined;
}

const MAGIC = "SQLite format 3\0";
const HEADER_SIZE = 100;
/** A tree of more levels than this holds more pages than a file can have. */
const MAX_DEPTH = 40;
const LEAF = 0x0d;
const INTERIOR = 0x05;

/**
 * Tables of an SQLite database file, read from beginning to end. That is all that is needed of the tool chain's database, and the only thing
 * done here: no SQL of the file is run, its views and triggers least of all, nothing is written and nothing is locked.
 *
 * Every offset, length and page number is held against the file before it is followed, and no page is read twice for one table, so a damaged
 * file ends in an error and never in a loop. Source: https://www.sqlite.org/fileformat2.html.
 */
export class SQLiteFile {
  readonly path: string;
  /** Text of the views, by name in lower case. */
  readonly views: ReadonlyMap<string, string>;
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  readonly #pageSize: number;
  readonly #usable: number;
  readonly #decoder: InstanceType<typeof TextDecoder>;
  readonly #tables = new Map<string, SQLiteTable>();

  private constructor(path: string, bytes: Uint8Array) {
    this.path = path;
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    if (bytes.length < HEADER_SIZE || new TextDecoder("latin1").decode(bytes.subarray(0, 16)) !== MAGIC) {
      throw new SpinnError("ERR_SPINN_FILE", `${path} is no SQLite database`);
    }
    const size = this.#view.getUint16(16);
    this.#pageSize = size === 1 ? 65536 : size;
    this.#usable = this.#pageSize - bytes[20]!;
    const isPowerOfTwo = (this.#pageSize & (this.#pageSize - 1)) === 0;
    if (this.#pageSize < 512 || !isPowerOfTwo || this.#usable < 480) throw this.#damage("a page size that cannot be");
    this.#decoder = new TextDecoder(["utf-8", "utf-8", "utf-16le", "utf-16be"][this.#view.getUint32(56)] ?? "utf-8");
    const views = new Map<string, string>();
    const schema = ["type", "name", "tbl_name", "rootpage", "sql"];
    for (const row of this.#walk({ name: "sqlite_schema", columns: schema, rowIdColumn: -1, isIndexed: false, rootPage: 1 })) {
      const { type, name, rootpage, sql } = row;
      if (typeof name !== "string" || typeof sql !== "string") continue;
      if (type === "view") views.set(name.toLowerCase(), sql);
      const table = type === "table" && typeof rootpage === "number" ? parseCreateTable(name, sql, rootpage) : undefined;
      if (table !== undefined) this.#tables.set(name.toLowerCase(), table);
    }
    this.views = views;
  }

  /**
   * Reads a file that nobody writes any more. Throws `ERR_SPINN_FILE` for one that is missing, too large, no database, or in the middle of a
   * change (its journal or its write-ahead log is there).
   */
  static async open(path: string, options: SQLiteFileOptions = {}): Promise<SQLiteFile> {
    const maxBytes = checkInteger("maxBytes", options.maxBytes ?? 256 << 20, HEADER_SIZE, 0x7fffffff);
    const bytes = await readAtMost(path, maxBytes);
    for (const suffix of ["-journal", "-wal"]) {
      // A journal whose header was wiped belongs to a change that was finished.
      const start = await readStart(path + suffix);
      if (start?.some((byte) => byte !== 0)) {
        throw new SpinnError("ERR_SPINN_FILE", `${path} is being changed, or its writer was killed: ${path}${suffix} is there`, {
          hint: "wait until the writer has closed it, or open it once with sqlite3",
        });
      }
    }
    return new SQLiteFile(path, bytes);
  }

  /** Names of the tables in their own spelling. */
  get tables(): readonly string[] {
    return Array.from(this.#tables.values(), ({ name }) => name);
  }

  has(table: string): boolean {
    return this.#tables.has(table.toLowerCase());
  }

  /**
   * Rows of a table in the order of their row numbers, with the columns by their names. Names of tables are told apart whatever their case.
   * Integers beyond 2^53 lose their last digits; a column that a row does not have is `null`. Throws `ERR_SPINN_FILE` for a table that is
   * missing, of a form that is not read (WITHOUT ROWID), or damaged.
   */
  rows(table: string): Generator<SQLiteRow, void> {
    const found = this.#tables.get(table.toLowerCase());
    if (found === undefined) throw new SpinnError("ERR_SPINN_FILE", `${this.path} has no table ${table}`);
    if (found.isIndexed) throw new SpinnError("ERR_SPINN_FILE", `table ${table} of ${this.path} is without row numbers, which is not read`);
    return this.#walk(found);
  }

  *#walk(table: SQLiteTable): Generator<SQLiteRow, void> {
    const seen = new Set<number>();
    // Pages still to be read, the next one last. A page adds at most its children, each of which is read once.
    const stack: { page: number; depth: number }[] = [{ page: table.rootPage, depth: 0 }];
    for (let next = stack.pop(); next !== undefined; next = stack.pop()) {
      const { page, depth } = next;
      const base = this.#enter(page, seen);
      const header = page === 1 ? base + HEADER_SIZE : base;
      const type = this.#bytes[header];
      const cells = this.#view.getUint16(header + 3);
      const pointers = header + (type === INTERIOR ? 12 : 8);
      if (pointers + 2 * cells > base + this.#usable) throw this.#damage(`page ${page} is longer than a page`);
      const cellAt = (index: number): number => this.#within(base, this.#view.getUint16(pointers + 2 * index), page);
      if (type === INTERIOR) {
        if (depth >= MAX_DEPTH) throw this.#damage(`page ${page} is too deep`);
        stack.push({ page: this.#view.getUint32(header + 8), depth: depth + 1 });
        for (let i = cells - 1; i >= 0; i -= 1) stack.push({ page: this.#view.getUint32(cellAt(i)), depth: depth + 1 });
      } else if (type === LEAF) {
        for (let i = 0; i < cells; i += 1) yield this.#row(table, base, cellAt(i), seen);
      } else {
        throw this.#damage(`page ${page} is of kind ${type}, where a page of table ${table.name} belongs`);
      }
    }
  }

  #row(table: SQLiteTable, base: number, cell: number, seen: Set<number>): SQLiteRow {
    const end = base + this.#usable;
    const size = varint(this.#bytes, cell, end);
    const rowId = varint(this.#bytes, size.next, end);
    const record = this.#payload(size.value, rowId.next, end, seen);
    const view = new DataView(record.buffer, record.byteOffset, record.length);
    const header = varint(record, 0, record.length);
    if (header.value > record.length) throw this.#damage(`a row of ${table.name} is shorter than its header`);
    const row: Record<string, SQLiteValue> = {};
    let at = header.next;
    let body = header.value;
    for (let column = 0; column < table.columns.length; column += 1) {
      let value: SQLiteValue = null;
      if (at < header.value) {
        const kind = varint(record, at, header.value);
        at = kind.next;
        const length = sizeOf(kind.value);
        if (length === undefined || body + length > record.length) throw this.#damage(`a row of ${table.name} is shorter than it says`);
        value = this.#value(view, kind.value, body, length);
        body += length;
      }
      row[table.columns[column]!] = column === table.rowIdColumn && value === null ? rowId.value : value;
    }
    return row;
  }

  /** A record, put together from its cell and the pages that hold the rest. */
  #payload(size: number, start: number, end: number, seen: Set<number>): Uint8Array {
    if (size < 0 || size > this.#bytes.length) throw this.#damage(`a row of ${size} bytes`);
    const most = this.#usable - 35;
    const least = Math.floor(((this.#usable - 12) * 32) / 255) - 23;
    const spill = least + ((size - least) % (this.#usable - 4));
    const local = size <= most ? size : spill <= most ? spill : least;
    if (start + local + (local < size ? 4 : 0) > end) throw this.#damage("a row leaves its page");
    if (local === size) return this.#bytes.subarray(start, start + size);
    const record = new Uint8Array(size);
    record.set(this.#bytes.subarray(start, start + local));
    let filled = local;
    let page = this.#view.getUint32(start + local);
    while (filled < size) {
      const base = this.#enter(page, seen);
      const count = Math.min(size - filled, this.#usable - 4);
      record.set(this.#bytes.subarray(base + 4, base + 4 + count), filled);
      filled += count;
      page = this.#view.getUint32(base);
    }
    return record;
  }

  #value(view: DataView, kind: number, at: number, length: number): SQLiteValue {
    if (kind === 0) return null;
    if (kind === 7) return view.getFloat64(at);
    if (kind === 8 || kind === 9) return kind - 8;
    if (kind === 6) return Number(view.getBigInt64(at));
    if (kind <= 5) {
      let value = view.getInt8(at);
      for (let i = 1; i < length; i += 1) value = value * 256 + view.getUint8(at + i);
      return value;
    }
    const bytes = new Uint8Array(view.buffer, view.byteOffset + at, length);
    return kind % 2 === 0 ? bytes.slice() : this.#decoder.decode(bytes);
  }

  /** Offset of a page that was not read before for this table. */
  #enter(page: number, seen: Set<number>): number {
    const base = (page - 1) * this.#pageSize;
    if (page < 1 || base + this.#pageSize > this.#bytes.length) throw this.#damage(`page ${page} is not in the file`);
    if (seen.has(page)) throw this.#damage(`page ${page} belongs to two places`);
    seen.add(page);
    return base;
  }

  #within(base: number, offset: number, page: number): number {
    if (offset > this.#usable - 4) throw this.#damage(`a cell outside of page ${page}`);
    return base + offset;
  }

  #damage(what: string): SpinnError {
    return new SpinnError("ERR_SPINN_FILE", `${this.path} is damaged: ${what}`);
  }
}

/** Bytes of a value by its kind; `undefined` for kinds that do not exist. */
function sizeOf(kind: number): number | undefined {
  return kind >= 12 ? Math.floor((kind - 12) / 2) : [0, 1, 2, 3, 4, 6, 8, 8, 0, 0][kind];
}

/** Up to nine bytes, the high ones first, seven bits in each but the last. Past the end it reads zeros, which ends it. */
function varint(bytes: Uint8Array, at: number, end: number): { readonly value: number; readonly next: number } {
  let value = 0;
  for (let i = 0; i < 8; i += 1) {
    const byte = at + i < end ? bytes[at + i]! : 0;
    value = value * 128 + (byte & 0x7f);
    if (byte < 0x80) return { value, next: at + i + 1 };
  }
  // 64 bits: a negative row number. As a length it is beyond every file.
  let whole = 0n;
  for (let i = 0; i < 8; i += 1) whole = (whole << 7n) | BigInt((bytes[at + i] ?? 0) & 0x7f);
  const last = at + 8 < end ? bytes[at + 8]! : 0;
  return { value: Number(BigInt.asIntN(64, (whole << 8n) | BigInt(last))), next: at + 9 };
}

/** A path may come from the network, and name a pipe: opening one must not wait for a writer. */
function openToRead(path: string): Promise<FileHandle> {
  return open(path, constants.O_RDONLY | (constants.O_NONBLOCK ?? 0));
}

async function readAtMost(path: string, maxBytes: number): Promise<Uint8Array> {
  const file = await openToRead(path).catch((cause: Error) => {
    throw new SpinnError("ERR_SPINN_FILE", `${path} cannot be read: ${cause.message}`, { cause });
  });
  try {
    const found = await file.stat();
    if (!found.isFile()) throw new SpinnError("ERR_SPINN_FILE", `${path} is no file`);
    if (found.size > maxBytes) throw new SpinnError("ERR_SPINN_FILE", `${path} has ${found.size} bytes, at most ${maxBytes} are read`);
    return await file.readFile();
  } finally {
    await file.close();
  }
}

/** The first bytes of a file that may not be there. */
async function readStart(path: string): Promise<Uint8Array | undefined> {
  const file = await openToRead(path).catch(() => undefined);
  if (file === undefined) return undefined;
  try {
    const { buffer, bytesRead } = await file.read(new Uint8Array(28), 0, 28, 0);
    return buffer.subarray(0, bytesRead);
  } finally {
    await file.close();
  }
}
