import { spawn } from "node:child_process";
import { connect, createServer } from "node:net";
import { abortError, SpinnError, throwIfAborted } from "../../errors.js";

export interface SshTunnelOptions {
  /** `user@server:port`; the port may be left out. */
  readonly server: string;
  /** Private key file; default what ssh's own configuration says. */
  readonly key?: string | undefined;
  /** Until every forward listens; default 20 000 ms. */
  readonly timeoutMs?: number | undefined;
  readonly signal?: AbortSignal | undefined;
  /** The program; default `ssh`. */
  readonly command?: string | undefined;
}

/** Near ends of forwarded addresses, as long as the ssh child runs. */
export interface SshTunnel {
  /** Far address (`tcp://host:port`) to the near one. */
  readonly addresses: ReadonlyMap<string, string>;
  /** Hears when ssh ends without having been asked to, with what it last said. */
  onEnd(listener: (error: SpinnError) => void): void;
  close(): void;
}

/** What ssh says last is kept, not all it says. */
const MAX_WORDS = 2000;

/**
 * Forwards TCP addresses through one `ssh -N -L ... -L ...` of the user, which never asks for a password. Throws `ERR_SPINN_ARGUMENT`
 * (an address that is not TCP, a server that looks like an option), `ERR_SPINN_UNREACHABLE` (no ssh, refused, too slow), `ERR_SPINN_ABORTED`.
 */
export async function openSshTunnel(far: readonly string[], options: SshTunnelOptions): Promise<SshTunnel> {
  const { server, key, timeoutMs = 20_000, signal, command = "ssh" } = options;
  throwIfAborted(signal);
  const [, host, port] = /^([^\s:]+)(?::(\d{1,5}))?$/.exec(server) ?? [];
  if (host === undefined || host.startsWith("-")) {
    throw new SpinnError("ERR_SPINN_ARGUMENT", `the ssh server must be user@server:port, not ${JSON.stringify(server)}`);
  }
  const targets = far.map((address) => /^tcp:\/\/(.+):(\d+)$/.exec(address)?.slice(1) as [string, string] | undefined);
  if (targets.includes(undefined)) throw new SpinnError("ERR_SPINN_ARGUMENT", "only tcp addresses go through ssh");
  const near = await freePorts(far.length);
  const forwards = targets.flatMap((target, i) => ["-L", `127.0.0.1:${near[i]}:${target![0]}:${target![1]}`]);
  const fixed = ["-N", "-T", "-o", "BatchMode=yes", "-o", "ExitOnForwardFailure=yes", "-o", "ServerAliveInterval=15"];
  const args = [...fixed, ...(port === undefined ? [] : ["-p", port]), ...(key === undefined ? [] : ["-i", key]), ...forwards, host];
  const child = spawn(command, args, { stdio: ["ignore", "ignore", "pipe"] });
  let words = "";
  let over: SpinnError | undefined;
  let closed = false;
  const listeners: ((error: SpinnError) => void)[] = [];
  const ended = (what: string): void => {
    over ??= new SpinnError("ERR_SPINN_UNREACHABLE", `the ssh tunnel through ${server} ${what}${words === "" ? "" : `: ${words.trim()}`}`, {
      hint: `try it by hand: ${command} -o BatchMode=yes ${host}${port === undefined ? "" : ` -p ${port}`}; keys must work without a password`,
    });
    if (!closed) for (const listener of listeners) listener(over);
  };
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    words = (words + text).slice(-MAX_WORDS);
  });
  child.once("error", ({ message }) => ended(`did not start (${message})`));
  child.once("close", (code, by) => ended(`ended (${by ?? `exit status ${code}`})`));
  const close = (): void => {
    closed = true;
    child.kill();
    child.stderr.destroy();
  };
  try {
    const deadline = performance.now() + timeoutMs;
    for (const listening of near) {
      while (!(await accepts(listening))) {
        if (over !== undefined) throw over;
        if (signal?.aborted) throw abortError(signal);
        if (performance.now() > deadline) {
          ended(`did not stand within ${timeoutMs} ms`);
          throw over;
        }
        await new Promise((resolve) => setTimeout(resolve, 50));
      }
    }
  } catch (error) {
    close();
    throw error;
  }
  return {
    addresses: new Map(far.map((address, i) => [address, `tcp://127.0.0.1:${near[i]}`])),
    onEnd(listener) {
      listeners.push(listener);
      if (over !== undefined && !closed) listener(over);
    },
    close,
  };
}

/** Ports of the loopback interface that nobody has just now; all are held until the last is found. */
async function freePorts(count: number): Promise<number[]> {
  const servers = await Promise.all(
    Array.from({ length: count }, async () => {
      const server = createServer();
      await new Promise<void>((resolve, reject) => server.once("error", reject).listen(0, "127.0.0.1", resolve));
      return server;
    }),
  );
  return Promise.all(
    servers.map(async (server) => {
      const { port } = server.address() as { readonly port: number };
      await new Promise((resolve) => server.close(resolve));
      return port;
    }),
  );
}

function accepts(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1");
    socket.once("connect", () => resolve(true)).once("error", () => resolve(false));
    socket.once("connect", () => socket.destroy());
  });
}
