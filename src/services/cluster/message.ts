import { createHmac, createSecretKey, getHashes, type KeyObject, timingSafeEqual } from "node:crypto";
import { SpinnError } from "../../errors.js";

export type Json = Readonly<Record<string, unknown>>;

/** Text is its UTF-8 bytes. ZeroMQ takes text without another word; of bytes it tells this thread when they were sent, which costs more. */
export type Frame = Uint8Array | string;

/** Which message this is, who sent it and when. All six members are needed: a controller's Hub fails to record a message without them. */
export interface MessageHeader {
  readonly msg_id: string;
  readonly msg_type: string;
  readonly username: string;
  readonly session: string;
  /** ISO 8601 with zone. */
  readonly date: string;
  readonly version: string;
}

/** One message of the Jupyter family, as ipyparallel controllers of 1.0 and later speak it. */
export interface ClusterMessage {
  /** Frames in front of the delimiter: an engine's identity, or a topic. */
  readonly idents: readonly Uint8Array[];
  readonly header: Json;
  /** The header of the request that this answers; empty for none. */
  readonly parentHeader: Json;
  readonly metadata: Json;
  readonly content: Json;
  /** Not covered by the signature. */
  readonly buffers: readonly Uint8Array[];
}

const DELIMITER = "<IDS|MSG>";
const DELIMITER_BYTES = Buffer.from(DELIMITER);
/** Signatures remembered to refuse a message that is sent again; as many as the reference does. */
const REMEMBERED = 65_536;

/**
 * Messages to frames and back, signed and checked with HMAC over header, parent header, metadata and content. The signature does not cover
 * buffers: without CURVE or a trusted network they may have been changed on the way.
 */
export class MessageCodec {
  /** None for no signatures. */
  readonly #key: KeyObject | undefined;
  readonly #hash: string;
  /** In order of arrival; at most REMEMBERED. */
  readonly #seen = new Set<string>();
  #dropped = 0;

  /** `key` as it stands in the connection file, "" for no signatures; `scheme` like `hmac-sha256`. Throws `ERR_SPINN_ARGUMENT`. */
  constructor(key: string, scheme = "hmac-sha256") {
    this.#key = key === "" ? undefined : createSecretKey(Buffer.from(key, "utf8"));
    this.#hash = /^hmac-([a-z0-9-]{1,20})$/.exec(scheme)?.[1] ?? "";
    if (!getHashes().includes(this.#hash)) {
      throw new SpinnError("ERR_SPINN_ARGUMENT", `the cluster signs with ${JSON.stringify(scheme)}, which is not known here`);
    }
  }

  encode(message: { readonly header: MessageHeader } & Partial<ClusterMessage>): Frame[] {
    const { idents = [], header, parentHeader = {}, metadata = {}, content = {}, buffers = [] } = message;
    const parts = [header, parentHeader, metadata, content].map((part) => JSON.stringify(part));
    return [...idents, DELIMITER, this.#sign([parts.join("")]), ...parts, ...buffers];
  }

  /** Throws `ERR_SPINN_PROTOCOL`: frames missing, signature wrong or used before, parts that are no JSON objects. */
  decode(frames: readonly Frame[]): ClusterMessage {
    const at = frames.findIndex(isDelimiter);
    if (at < 0 || frames.length < at + 6) throw broken(`a message of ${frames.length} frames without its parts`);
    const parts = frames.slice(at + 2, at + 6);
    if (this.#key !== undefined) {
      const signature = textOf(frames[at + 1]!);
      const [expected, given] = [Buffer.from(this.#sign(parts)), Buffer.from(signature)];
      if (given.length !== expected.length || !timingSafeEqual(given, expected)) {
        throw new SpinnError("ERR_SPINN_PROTOCOL", "a message with a wrong signature", {
          hint: "the key may be that of another controller: take the connection file of the one that runs",
        });
      }
      if (this.#seen.has(signature)) throw broken("a message that came before");
      this.#seen.add(signature);
      if (this.#seen.size > REMEMBERED) this.#seen.delete(this.#seen.values().next().value!);
    }
    const [header, parentHeader, metadata, content] = parts.map(objectIn) as [Json, Json, Json, Json];
    const [idents, buffers] = [frames.slice(0, at).map(bytesOf), frames.slice(at + 6).map(bytesOf)];
    return { idents, header, parentHeader, metadata, content, buffers };
  }

  /** The same for what comes by itself: undefined, and counted, instead of thrown. */
  receive(frames: readonly Frame[]): ClusterMessage | undefined {
    try {
      return this.decode(frames);
    } catch {
      this.#dropped += 1;
      return undefined;
    }
  }

  /** Messages that `receive` could not read: wrong signature, no JSON. */
  get dropped(): number {
    return this.#dropped;
  }

  #sign(parts: readonly Frame[]): string {
    if (this.#key === undefined) return "";
    const hmac = createHmac(this.#hash, this.#key);
    for (const part of parts) hmac.update(part);
    return hmac.digest("hex");
  }
}

/** The text of a frame. Bytes that are no UTF-8 become U+FFFD. */
export function textOf(frame: Frame): string {
  return typeof frame === "string" ? frame : bufferOf(frame).toString("utf8");
}

function bytesOf(frame: Frame): Uint8Array {
  return typeof frame === "string" ? Buffer.from(frame, "utf8") : frame;
}

function bufferOf(bytes: Uint8Array): Buffer {
  return Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

function isDelimiter(frame: Frame): boolean {
  return typeof frame === "string" ? frame === DELIMITER : DELIMITER_BYTES.equals(frame);
}

function objectIn(frame: Frame): Json {
  let value: unknown;
  try {
    value = JSON.parse(textOf(frame));
  } catch (cause) {
    throw new SpinnError("ERR_SPINN_PROTOCOL", "a part of a message is not JSON", { cause });
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) throw broken("a part of a message is no JSON object");
  return value as Json;
}

function broken(message: string): SpinnError {
  return new SpinnError("ERR_SPINN_PROTOCOL", message);
}
