import { type FileHandle, open } from "node:fs/promises";
import { crc32 } from "node:zlib";
import { checkInteger, SpinnError } from "../../errors.js";
import { EIEIO_MAX_COUNT } from "../../wire/index.js";
import { createIMDFrame, HOST_BYTE_ORDER, IMDFrame, type IMDFrameLayout, imdFrameLayout, swapIMDBodies } from "./imd-frame.js";
import { IMD_MAX_ATOMS, type IMDSessionInfo } from "./imd-packet.js";
import { EventFrame } from "./live-events.js";
import { fileError, RotatingFile, type RotatingFileOptions } from "./rotating-file.js";

/**
 * Frames in a compact file that can be read back. All numbers little-endian.
 *
 * ```
 *  8       4       4     n             then records:  4       4     n
 *  magic   length  crc   JSON header                  length  crc   body
 * ```
 * Every record carries a CRC-32 of its body. A file that ends inside a record was cut by a crash: everything before it is good.
 *
 * body of an IMD frame: sequence u32, age of the energies u8, 3 x 0, then the frame's bytes.
 * body of events: sequence u32, late u8, length of the source u8, 2 x 0, time of arrival f64, source, then an EIEIO message.
 */
const MAGIC = Uint8Array.from("SPKFRM1\n", (char) => char.charCodeAt(0));
const RECORD_HEADER = 8;
const IMD_PREFIX = 8;
const EVENT_PREFIX = 16;
const MAX_HEADER = 64 * 1024;
/** 255 keys with payloads, all headers, and a source of 255 bytes. */
const MAX_EVENT_BODY = EVENT_PREFIX + 255 + 8 + 8 * EIEIO_MAX_COUNT;
const AGES = ["none", "old", "fresh"] as const;

export type FrameFileHeader =
  | { readonly kind: "imd"; readonly session: IMDSessionInfo; readonly nAtoms: number; readonly byteOrder: "little" | "big" }
  | { readonly kind: "events" };

/** Writes frames of one kind. */
export class FrameFileWriter implements AsyncDisposable {
  readonly #file: RotatingFile;
  readonly #kind: FrameFileHeader["kind"];
  frames = 0;

  private constructor(file: RotatingFile, kind: FrameFileHeader["kind"]) {
    this.#file = file;
    this.#kind = kind;
  }

  /** For the frames of a simulation. Throws `ERR_SPINN_FILE`, `ERR_SPINN_ARGUMENT`. */
  static forIMD(path: string, session: IMDSessionInfo, nAtoms: number, options: RotatingFileOptions = {}): Promise<FrameFileWriter> {
    imdFrameLayout(session, nAtoms);
    return FrameFileWriter.#open(path, { kind: "imd", session, nAtoms, byteOrder: HOST_BYTE_ORDER }, options);
  }

  /** For live events. Throws `ERR_SPINN_FILE`. */
  static forEvents(path: string, options: RotatingFileOptions = {}): Promise<FrameFileWriter> {
    return FrameFileWriter.#open(path, { kind: "events" }, options);
  }

  static async #open(path: string, header: FrameFileHeader, options: RotatingFileOptions): Promise<FrameFileWriter> {
    const json = new TextEncoder().encode(JSON.stringify(header));
    const bytes = new Uint8Array(MAGIC.length + RECORD_HEADER + json.length);
    bytes.set(MAGIC);
    bytes.set(record(json), MAGIC.length);
    return new FrameFileWriter(await RotatingFile.open(path, bytes, options), header.kind);
  }

  /** Path of the file that is being written. */
  get path(): string {
    return this.#file.path;
  }

  get bytesWritten(): number {
    return this.#file.bytesWritten;
  }

  /** Throws `ERR_SPINN_FILE`, `ERR_SPINN_CLOSED`, `ERR_SPINN_ARGUMENT` for a frame of the other kind. */
  async write(frame: IMDFrame | EventFrame): Promise<void> {
    const isIMD = frame instanceof IMDFrame;
    if (isIMD !== (this.#kind === "imd")) throw new SpinnError("ERR_SPINN_ARGUMENT", `this file takes frames of kind ${this.#kind}`);
    const body = isIMD ? imdBody(frame) : eventBody(frame);
    await this.#file.append(record(body));
    this.frames += 1;
  }

  flush(): Promise<void> {
    return this.#file.flush();
  }

  close(): Promise<void> {
    return this.#file.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}

/** Reads one file of frames. */
export class FrameFileReader implements AsyncIterable<IMDFrame | EventFrame>, AsyncDisposable {
  readonly path: string;
  readonly header: FrameFileHeader;
  readonly #handle: FileHandle;
  readonly #layout: IMDFrameLayout | undefined;
  readonly #start: number;
  /** Bytes at the end that belong to no whole record: what a crash cut off. Known when all frames are read. */
  truncatedBytes = 0;

  private constructor(path: string, handle: FileHandle, header: FrameFileHeader, start: number) {
    this.path = path;
    this.header = header;
    this.#handle = handle;
    this.#start = start;
    this.#layout = header.kind === "imd" ? imdFrameLayout(header.session, header.nAtoms) : undefined;
  }

  /** Throws `ERR_SPINN_FILE` for a file that is missing, of another kind, or damaged in its header. */
  static async open(path: string): Promise<FrameFileReader> {
    let handle: FileHandle;
    try {
      handle = await open(path, "r");
    } catch (cause) {
      throw fileError(path, "opened", cause);
    }
    try {
      const head = new Uint8Array(MAGIC.length + RECORD_HEADER);
      const { bytesRead } = await handle.read(head, 0, head.length, 0);
      if (bytesRead < head.length || MAGIC.some((byte, index) => head[index] !== byte)) {
        throw new SpinnError("ERR_SPINN_FILE", `${path} is not a file of frames`);
      }
      const view = new DataView(head.buffer, MAGIC.length);
      const length = view.getUint32(0, true);
      if (length > MAX_HEADER) throw new SpinnError("ERR_SPINN_FILE", `${path} has a header of ${length} bytes; at most ${MAX_HEADER}`);
      const json = new Uint8Array(length);
      const got = await handle.read(json, 0, length, head.length);
      if (got.bytesRead < length || crc32(json) !== view.getUint32(4, true)) {
        throw new SpinnError("ERR_SPINN_FILE", `the header of ${path} is damaged`);
      }
      return new FrameFileReader(path, handle, checkHeader(path, json), head.length + length);
    } catch (error) {
      await handle.close();
      throw error;
    }
  }

  /** Each frame is its own and may be kept. Throws `ERR_SPINN_FILE` for damage that no crash explains. */
  async *[Symbol.asyncIterator](): AsyncGenerator<IMDFrame | EventFrame, void> {
    const most = this.#layout === undefined ? MAX_EVENT_BODY : IMD_PREFIX + this.#layout.wireBytes;
    const { size } = await this.#handle.stat();
    // The header of a file is no reason to take memory: no record is larger than the file.
    const chunk = new Uint8Array(Math.max(Math.min(RECORD_HEADER + most, size), 256 * 1024));
    let at = this.#start;
    let filled = 0;
    let used = 0;
    for (;;) {
      // Whole records that are in memory, then the next piece of the file.
      while (filled - used >= RECORD_HEADER) {
        const view = new DataView(chunk.buffer, used);
        const length = view.getUint32(0, true);
        const offset = at - (filled - used);
        if (length > most || length === 0) {
          if (length === 0 && isBlank(chunk.subarray(used, filled)) && at === size) break;
          throw new SpinnError("ERR_SPINN_FILE", `${this.path} is damaged at byte ${offset}: a record of ${length} bytes`);
        }
        if (filled - used < RECORD_HEADER + length) break;
        const body = chunk.slice(used + RECORD_HEADER, used + RECORD_HEADER + length);
        if (crc32(body) !== view.getUint32(4, true)) {
          if (offset + RECORD_HEADER + length === size) break;
          throw new SpinnError("ERR_SPINN_FILE", `${this.path} is damaged at byte ${offset}: the checksum of a record is wrong`);
        }
        used += RECORD_HEADER + length;
        yield this.#decode(body, offset);
      }
      chunk.copyWithin(0, used, filled);
      filled -= used;
      used = 0;
      if (at >= size) break;
      const { bytesRead } = await this.#handle.read(chunk, filled, Math.min(chunk.length - filled, size - at), at);
      if (bytesRead === 0) break;
      filled += bytesRead;
      at += bytesRead;
    }
    this.truncatedBytes = filled;
  }

  async close(): Promise<void> {
    await this.#handle.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #decode(body: Uint8Array, offset: number): IMDFrame | EventFrame {
    const view = new DataView(body.buffer, body.byteOffset, body.length);
    const header = this.header;
    if (header.kind === "imd" && this.#layout !== undefined) {
      const age = AGES[body[4]!];
      if (body.length !== IMD_PREFIX + this.#layout.wireBytes || age === undefined) throw this.#damaged(offset);
      const frame = createIMDFrame(header.session, header.nAtoms);
      frame.bytes.set(body.subarray(IMD_PREFIX));
      if (header.byteOrder !== HOST_BYTE_ORDER) swapIMDBodies(this.#layout, frame.bytes, 0);
      frame.sequence = view.getUint32(0, true);
      frame.energiesAge = age;
      return frame;
    }
    const frame = new EventFrame(0);
    const sourceEnd = EVENT_PREFIX + (body[5] ?? 0);
    if (body.length < sourceEnd) throw this.#damaged(offset);
    try {
      frame.fill(body.subarray(sourceEnd));
    } catch (cause) {
      throw this.#damaged(offset, cause);
    }
    frame.sequence = view.getUint32(0, true);
    frame.late = body[4] !== 0;
    frame.receivedAtMs = view.getFloat64(8, true);
    frame.source = new TextDecoder().decode(body.subarray(EVENT_PREFIX, sourceEnd));
    return frame;
  }

  #damaged(offset: number, cause?: unknown): SpinnError {
    return new SpinnError("ERR_SPINN_FILE", `${this.path} is damaged at byte ${offset}: not a frame`, { cause });
  }
}

function record(body: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(RECORD_HEADER + body.length);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, body.length, true);
  view.setUint32(4, crc32(body), true);
  bytes.set(body, RECORD_HEADER);
  return bytes;
}

function imdBody(frame: IMDFrame): Uint8Array {
  const body = new Uint8Array(IMD_PREFIX + frame.layout.wireBytes);
  new DataView(body.buffer).setUint32(0, frame.sequence, true);
  body[4] = AGES.indexOf(frame.energiesAge);
  body.set(frame.bytes, IMD_PREFIX);
  return body;
}

function eventBody(frame: EventFrame): Uint8Array {
  const source = new TextEncoder().encode(frame.source).subarray(0, 255);
  const message = frame.encode();
  const body = new Uint8Array(EVENT_PREFIX + source.length + message.length);
  const view = new DataView(body.buffer);
  view.setUint32(0, frame.sequence, true);
  view.setUint8(4, frame.late ? 1 : 0);
  view.setUint8(5, source.length);
  view.setFloat64(8, frame.receivedAtMs, true);
  body.set(source, EVENT_PREFIX);
  body.set(message, EVENT_PREFIX + source.length);
  return body;
}

function isBlank(bytes: Uint8Array): boolean {
  return bytes.every((byte) => byte === 0);
}

function checkHeader(path: string, json: Uint8Array): FrameFileHeader {
  const wrong = (): SpinnError => new SpinnError("ERR_SPINN_FILE", `${path} has a header that does not describe frames`);
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder().decode(json));
  } catch {
    throw wrong();
  }
  if (typeof value !== "object" || value === null) throw wrong();
  const { kind, session, nAtoms, byteOrder } = value as Record<string, unknown>;
  if (kind === "events") return { kind };
  if (kind !== "imd" || typeof session !== "object" || session === null || (byteOrder !== "little" && byteOrder !== "big")) throw wrong();
  const info = session as Record<string, unknown>;
  const flags = ["time", "energies", "box", "positions", "wrapped", "velocities", "forces"] as const;
  if (flags.some((name) => typeof info[name] !== "boolean")) throw wrong();
  if ((info["version"] !== 2 && info["version"] !== 3) || (info["byteOrder"] !== "little" && info["byteOrder"] !== "big")) throw wrong();
  try {
    checkInteger("nAtoms", nAtoms as number, 1, IMD_MAX_ATOMS);
  } catch {
    throw wrong();
  }
  return { kind, session: session as IMDSessionInfo, nAtoms: nAtoms as number, byteOrder };
}
