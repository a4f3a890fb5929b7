import { connect, type Socket } from "node:net";
import { abortError, SpinnError, throwIfAborted } from "../../errors.js";
import type { IMDClientOptions } from "./imd-client-options.js";
import {
  decodeIMDHandshake,
  decodeIMDSessionInfo,
  encodeIMDHeader,
  IMD_HEADER_SIZE,
  IMD_SESSION_INFO_SIZE,
  IMDPacketType,
  type IMDSessionInfo,
  imdSessionInfoV2,
} from "./imd-packet.js";

/** A connected socket with one reader at a time: first the handshake, then the client. */
export interface IMDLink {
  readonly socket: Socket;
  readonly where: string;
  /** The handshake was good: the server waits for GO. */
  shaken: boolean;
  /** Takes bytes; returns whether to go on reading. */
  onData: (chunk: Uint8Array, start: number, end: number) => boolean;
  /** Where the next bytes are read to, asked before each reading. Without it, or `undefined`: to a buffer of the link's own. */
  target: (() => Uint8Array | undefined) | undefined;
  /** The server closed, or the connection broke. */
  onEnd: (error: Error | undefined) => void;
  /** Hands what came too early to the present reader. */
  replay(): void;
  leave(politely: boolean): void;
}

function ignore(): void {}

export async function openIMDLink(host: string, port: number, options: IMDClientOptions): Promise<IMDLink> {
  const { signal } = options;
  throwIfAborted(signal);
  const where = `${host}:${port}`;
  const timeoutMs = options.connectTimeoutMs ?? 5000;
  const own = new Uint8Array(options.socketBufferSize ?? 256 * 1024);
  let link: IMDLink | undefined;
  const socket = connect({
    host,
    port,
    // Without it a RESUME soon after a PAUSE waits for the server's acknowledgement, up to 40 ms each time.
    noDelay: true,
    allowHalfOpen: true,
    // The socket reads into memory of ours, so that nothing is allocated for what comes, and large frames are not copied.
    onread: {
      buffer: () => link?.target?.() ?? own,
      callback: (count, chunk) => link?.onData(chunk, 0, count) ?? true,
    },
  });
  return new Promise((resolve, reject) => {
    const fail = (error: SpinnError): void => {
      clearTimeout(timer);
      signal?.removeEventListener("abort", onAbort);
      socket.destroy();
      reject(error);
    };
    const onAbort = (): void => fail(abortError(signal!));
    const timer = setTimeout(
      () => fail(new SpinnError("ERR_SPINN_TIMEOUT", `no connection to ${where} within ${timeoutMs} ms`, { board: where })),
      timeoutMs,
    );
    signal?.addEventListener("abort", onAbort, { once: true });
    socket.on("error", (error: Error) => {
      if (link !== undefined) link.onEnd(error);
      else {
        const hint = "is the simulation running and waiting for IMD on that port?";
        // A name with several addresses fails with an AggregateError, which has a code but no words.
        const reason = error.message || (error as NodeJS.ErrnoException).code;
        fail(new SpinnError("ERR_SPINN_UNREACHABLE", `cannot connect to ${where}: ${reason}`, { cause: error, hint, board: where }));
      }
    });
    socket.once("end", () => link?.onEnd(undefined));
    socket.once("connect", () => {
      clearTimeout(timer);
      signal?.removeEventListener("abort", onAbort);
      link = makeLink(socket, where);
      resolve(link);
    });
  });
}

function makeLink(socket: Socket, where: string): IMDLink {
  // What comes before a reader is set; at most one reading, because reading stops then.
  let early: { chunk: Uint8Array; start: number; end: number } | undefined;
  let ended: { error: Error | undefined } | undefined;
  const link: IMDLink = {
    socket,
    where,
    shaken: false,
    target: undefined,
    onData: (chunk, start, end) => {
      early = { chunk, start, end };
      return false;
    },
    onEnd: (error) => {
      ended ??= { error };
    },
    replay: () => {
      const waiting = early;
      early = undefined;
      if (waiting !== undefined && link.onData(waiting.chunk, waiting.start, waiting.end)) socket.resume();
      if (ended !== undefined) link.onEnd(ended.error);
    },
    leave: (politely) => {
      link.onEnd = ignore;
      link.target = undefined;
      link.onData = () => true;
      if (!politely) {
        socket.destroy();
        return;
      }
      socket.write(encodeIMDHeader(IMDPacketType.GO));
      socket.end(encodeIMDHeader(IMDPacketType.DISCONNECT));
      socket.resume();
      const deadline = setTimeout(() => socket.destroy(), 500);
      socket.once("close", () => clearTimeout(deadline));
    },
  };
  return link;
}

/**
 * Reads HANDSHAKE and, in version 3, SESSIONINFO; what follows stays for the next reader. Throws `ERR_SPINN_PROTOCOL`, `ERR_SPINN_TIMEOUT`,
 * `ERR_SPINN_INCOMPLETE`, `ERR_SPINN_ABORTED`.
 */
export function shakeIMDHands(link: IMDLink, options: IMDClientOptions): Promise<IMDSessionInfo> {
  const { signal } = options;
  const timeoutMs = options.handshakeTimeoutMs ?? 5000;
  const packet = new Uint8Array(IMD_HEADER_SIZE + IMD_HEADER_SIZE + IMD_SESSION_INFO_SIZE);
  let filled = 0;
  const { onData, onEnd } = link;
  return new Promise<IMDSessionInfo>((resolve, reject) => {
    const done = (result: IMDSessionInfo | SpinnError): void => {
      clearTimeout(timer);
      signal?.removeEventListener("abort", onAbort);
      link.onData = onData;
      link.onEnd = onEnd;
      if (result instanceof SpinnError) reject(result);
      else {
        link.shaken = true;
        resolve(result);
      }
    };
    const onAbort = (): void => done(abortError(signal!));
    const timer = setTimeout(
      () =>
        done(
          new SpinnError("ERR_SPINN_TIMEOUT", `${link.where} accepted the connection but sent no handshake within ${timeoutMs} ms`, {
            hint: "an IMD server talks to one client at a time: is another one connected?",
          }),
        ),
      timeoutMs,
    );
    signal?.addEventListener("abort", onAbort, { once: true });
    link.onEnd = (cause) =>
      done(
        new SpinnError("ERR_SPINN_INCOMPLETE", `${link.where} closed the connection during the handshake, after ${filled} bytes`, {
          cause,
        }),
      );
    link.onData = (chunk, start, end) => {
      let at = start;
      try {
        while (at < end) {
          packet[filled] = chunk[at]!;
          filled += 1;
          at += 1;
          if (filled === IMD_HEADER_SIZE) {
            const { version, byteOrder } = decodeIMDHandshake(packet);
            if (version === 3) continue;
            done(imdSessionInfoV2(byteOrder));
          } else if (filled === packet.length) {
            const { byteOrder } = decodeIMDHandshake(packet);
            done(decodeIMDSessionInfo(packet.subarray(IMD_HEADER_SIZE), byteOrder));
          } else if (filled === 2 * IMD_HEADER_SIZE) {
            // The length is looked at before its bytes are waited for.
            checkSessionHeader(packet);
            continue;
          } else continue;
          break;
        }
      } catch (error) {
        done(error as SpinnError);
        return true;
      }
      return at === end || onData(chunk, at, end);
    };
    link.replay();
  });
}

function checkSessionHeader(packet: Uint8Array): void {
  const probe = packet.slice(IMD_HEADER_SIZE, 2 * IMD_HEADER_SIZE + IMD_SESSION_INFO_SIZE);
  probe.fill(1, IMD_HEADER_SIZE);
  decodeIMDSessionInfo(probe, "little");
}
