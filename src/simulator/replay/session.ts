import {
  BOOT_HEADER_SIZE,
  BOOT_PORT,
  BOOT_VERSION,
  BootOpcode,
  Command,
  FLAG_REPLY,
  SCP_PORT,
  SCP_REPLY_OFFSET,
  SCP_SEQUENCE_OFFSET,
  SDP_DATA_OFFSET,
} from "../../wire/index.js";
import type { Capture, CapturedDatagram, Endpoint } from "./capture.js";

/** What a datagram for a board is: for its monitor or cores, for its boot ROM, for its BMP, or raw data for a reverse tag. */
export type TargetKind = "board" | "bmp" | "boot" | "raw";

/** Something that a client sent, with the answer it got. */
export interface Exchange {
  /** Place in the session, from 1. */
  readonly number: number;
  readonly timeMs: number;
  readonly client: Endpoint;
  readonly target: Endpoint;
  readonly kind: TargetKind;
  readonly request: Uint8Array;
  /** `undefined`: the recording has none. */
  readonly answer: Uint8Array | undefined;
  /** From request to answer, ms. */
  readonly latencyMs: number;
}

/** What clients said to boards, in the order of the recording. */
export interface Session {
  readonly exchanges: readonly Exchange[];
  /** Boards and BMPs that were spoken to, in the order of their addresses. */
  readonly targets: readonly (Endpoint & { readonly kind: TargetKind })[];
  /** Datagrams from boards that answer nothing: text, events, hellos, doubled answers. */
  readonly unsolicited: number;
  /** Datagrams that have nothing to do with a board. */
  readonly foreign: number;
}

type Draft = { -readonly [K in keyof Exchange]: Exchange[K] };

/**
 * Finds the session of clients with boards in a capture: what goes to port 17893 or 54321, and wherever else datagrams go that can only be
 * requests of SCP or of the boot ROM. An answer belongs to the oldest request of its sequence number that has none.
 */
export function sessionOf(capture: Capture): Session {
  const kinds = targetKinds(capture.datagrams);
  const hosts = new Set([...kinds.keys()].map((key) => key.split(":", 1)[0]!));
  const exchanges: Draft[] = [];
  const open = new Map<string, Draft[]>();
  let unsolicited = 0;
  let foreign = 0;
  for (const { timeMs, from, to, data } of capture.datagrams) {
    const [source, target] = [keyOf(from), keyOf(to)];
    const kind = kinds.get(target) ?? (!kinds.has(source) && hosts.has(to.host) ? "raw" : undefined);
    if (kind !== undefined && !isHello(data)) {
      const exchange: Draft = {
        number: exchanges.length + 1,
        timeMs,
        client: from,
        target: to,
        kind,
        request: data,
        answer: undefined,
        latencyMs: 0,
      };
      exchanges.push(exchange);
      const key = kind === "boot" || kind === "raw" ? undefined : requestKey(data);
      if (key !== undefined) push(open, `${source} ${target} ${key}`, exchange);
    } else if (kinds.has(source)) {
      const key = answerKey(data);
      const exchange = key === undefined ? undefined : open.get(`${target} ${source} ${key}`)?.shift();
      if (exchange === undefined) unsolicited += 1;
      else {
        exchange.answer = data;
        exchange.latencyMs = timeMs - exchange.timeMs;
      }
    } else foreign += 1;
  }
  const targets = [...kinds].map(([key, kind]) => ({ ...endpointOf(key), kind })).sort(byAddress);
  return { exchanges, targets, unsolicited, foreign };
}

/**
 * What of a request comes back in its answer: sequence number, and who was asked (a BMP puts its own place for the asker's). `undefined`: it wants
 * no answer.
 */
export function requestKey(data: Uint8Array): string | undefined {
  if (data.length < SCP_REPLY_OFFSET || (data[2]! & FLAG_REPLY) === 0) return undefined;
  return `${sequence(data)} ${data[4]}`;
}

/** The {@link requestKey} of what a datagram may answer. */
export function answerKey(data: Uint8Array): string | undefined {
  if (data.length < SCP_REPLY_OFFSET || (data[2]! & FLAG_REPLY) !== 0) return undefined;
  return `${sequence(data)} ${data[5]}`;
}

export function keyOf({ host, port }: Endpoint): string {
  return `${host}:${port}`;
}

function targetKinds(datagrams: readonly CapturedDatagram[]): Map<string, TargetKind> {
  const kinds = new Map<string, TargetKind>();
  for (const { to, data } of datagrams) {
    if (isHello(data)) continue;
    const key = keyOf(to);
    if (isBootMessage(data) || to.port === BOOT_PORT) kinds.set(key, kinds.get(key) ?? "boot");
    else if (isRequest(data) || to.port === SCP_PORT) kinds.set(key, isForBmp(data) ? "bmp" : (kinds.get(key) ?? "board"));
  }
  for (const { from, data } of datagrams) if (kinds.has(keyOf(from)) && isBmpVersion(data)) kinds.set(keyOf(from), "bmp");
  return kinds;
}

/** Pad, flags of a message that wants an answer, and room for a command and its arguments. */
function isRequest(data: Uint8Array): boolean {
  return data.length >= SCP_REPLY_OFFSET && data[0] === 0 && data[1] === 0 && data[2] === 0x87;
}

function isBootMessage(data: Uint8Array): boolean {
  const opcodes: readonly number[] = [BootOpcode.START, BootOpcode.BLOCK, BootOpcode.CONTROL];
  return isBoot(data) && opcodes.includes(data[5]!);
}

function isHello(data: Uint8Array): boolean {
  return isBoot(data) && data[5] === BootOpcode.HELLO;
}

function isBoot(data: Uint8Array): boolean {
  return data.length >= BOOT_HEADER_SIZE && data[0] === 0 && data[1] === BOOT_VERSION && data[2] === 0 && data[3] === 0 && data[4] === 0;
}

function isForBmp(data: Uint8Array): boolean {
  const command = data[10]! | (data[11]! << 8);
  return isRequest(data) && data[4]! >>> 5 === 0 && command >= Command.BMP_INFO && command < Command.TUBE;
}

function isBmpVersion(data: Uint8Array): boolean {
  return data.length > SDP_DATA_OFFSET + 20 && new TextDecoder("latin1").decode(data.subarray(26, 31)) === "BC&MP";
}

function sequence(data: Uint8Array): number {
  return data[SCP_SEQUENCE_OFFSET]! | (data[SCP_SEQUENCE_OFFSET + 1]! << 8);
}

function push<T>(lists: Map<string, T[]>, key: string, value: T): void {
  const list = lists.get(key);
  if (list === undefined) lists.set(key, [value]);
  else list.push(value);
}

function endpointOf(key: string): Endpoint {
  const [host, port] = key.split(":") as [string, string];
  return { host, port: Number(port) };
}

function byAddress(a: Endpoint, b: Endpoint): number {
  const value = ({ host }: Endpoint): number => host.split(".").reduce((sum, part) => 256 * sum + Number(part), 0);
  return value(a) - value(b) || a.port - b.port;
}
