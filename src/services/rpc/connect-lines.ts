import { connect as connectTcp, type Socket } from "node:net";
import { connect as connectTls } from "node:tls";
import { abortError, SpinnError, throwIfAborted } from "../../errors.js";
import { LineSocket } from "./line-socket.js";
import { clientTlsOptions, type TlsClientIdentity } from "./tls-identity.js";

export interface ConnectOptions {
  /** Plain TCP when left out. */
  readonly tls?: TlsClientIdentity | undefined;
  /** For the connection and each step of the handshake; default 10 000 ms. */
  readonly connectTimeoutMs?: number | undefined;
  /** Idle time before TCP asks whether the other side still lives; 0 is never. Default 30 000 ms. */
  readonly keepAliveMs?: number | undefined;
  /** Longest line taken from the other side; default 128 MiB (sipyco's own clients: 100 MiB). */
  readonly maxLineBytes?: number | undefined;
  readonly signal?: AbortSignal | undefined;
}

export const CONNECT_TIMEOUT_MS = 10_000;

/** What to look at when a connection did not come about. */
function hintFor(code: string | undefined, isTls: boolean): string {
  if (code === "ECONNREFUSED") return "nothing listens there: is the server running, and is this its port?";
  if (code === "ENOTFOUND" || code === "EAI_AGAIN") return "check the spelling of the name, or give the address";
  if (isTls) return "does the server speak TLS, and is its certificate, or the authority's, among those to be trusted?";
  return "check address and port, and the way there";
}

/**
 * Connects and sends the first lines. Throws `ERR_SPINN_UNREACHABLE` (refused, name unknown, certificate not accepted),
 * `ERR_SPINN_TIMEOUT`, `ERR_SPINN_ABORTED`.
 */
export async function connectLines(host: string, port: number, firstLines: string, options: ConnectOptions): Promise<LineSocket> {
  const { tls, signal, connectTimeoutMs = CONNECT_TIMEOUT_MS, keepAliveMs = 30_000, maxLineBytes = 128 * 1024 * 1024 } = options;
  throwIfAborted(signal);
  const socket: Socket = tls ? connectTls({ host, port, ...clientTlsOptions(host, tls) }) : connectTcp({ host, port });
  await new Promise<void>((resolve, reject) => {
    const settle = (error?: SpinnError): void => {
      clearTimeout(timer);
      signal?.removeEventListener("abort", abort);
      socket.off("error", refused);
      if (error === undefined) resolve();
      else {
        socket.on("error", () => {});
        socket.destroy();
        reject(error);
      }
    };
    const board = `${host}:${port}`;
    const abort = (): void => settle(abortError(signal!));
    const refused = (cause: Error): void =>
      settle(
        new SpinnError("ERR_SPINN_UNREACHABLE", `cannot connect to ${board}: ${cause.message || String(cause)}`, {
          board,
          cause,
          hint: hintFor((cause as NodeJS.ErrnoException).code, tls !== undefined),
        }),
      );
    const timer = setTimeout(
      () => settle(new SpinnError("ERR_SPINN_TIMEOUT", `no connection to ${board} within ${connectTimeoutMs} ms`, { board })),
      connectTimeoutMs,
    );
    signal?.addEventListener("abort", abort);
    socket.once("error", refused);
    socket.once(tls ? "secureConnect" : "connect", () => settle());
  });
  const lines = new LineSocket(socket, { maxLineBytes, keepAliveMs });
  lines.send(firstLines);
  return lines;
}
