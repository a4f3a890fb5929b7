import { type ChildProcess, execFile, type SpawnOptions, spawn } from "node:child_process";
import { createSocket, type Socket } from "node:dgram";
import { once } from "node:events";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { PassThrough } from "node:stream";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { run } from "../../src/cli/run.js";

const MAIN = fileURLToPath(new URL("../../dist/cli/main.js", import.meta.url));
export const ROOT = fileURLToPath(new URL("../..", import.meta.url));

// Runs in this process see its environment: no board and no inventory of whoever runs the tests.
delete process.env["SPINN_HOST"];
delete process.env["SPINN_BOARDS"];
process.env["XDG_CONFIG_HOME"] = "/nonexistent";

/** How a run of the command ended. */
export interface Run {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** The environment of a run: no board, no inventory and no colours of whoever runs the tests. */
function environment(extra: Readonly<Record<string, string>> = {}): NodeJS.ProcessEnv {
  const { SPINN_HOST: _host, SPINN_BOARDS: _boards, NO_COLOR: _colour, FORCE_COLOR: _force, ...rest } = process.env;
  return { ...rest, XDG_CONFIG_HOME: "/nonexistent", ...extra };
}

export function start(
  words: readonly string[],
  options: SpawnOptions & { readonly variables?: Readonly<Record<string, string>> } = {},
): ChildProcess {
  const { variables, ...rest } = options;
  return spawn(process.execPath, [MAIN, ...words], { cwd: ROOT, stdio: ["ignore", "pipe", "pipe"], env: environment(variables), ...rest });
}

/** Runs the built command to its end. */
export async function spinn(words: readonly string[], variables?: Readonly<Record<string, string>>): Promise<Run> {
  const child = start(words, variables === undefined ? {} : { variables });
  const [stdout, stderr] = [collect(child.stdout!), collect(child.stderr!)];
  const [status] = (await once(child, "close")) as [number | null];
  return { status, stdout: stdout(), stderr: stderr() };
}

/** Runs a command line in this process: for long lists of cases, where starting the program each time would take minutes. */
export async function command(words: readonly string[]): Promise<Run> {
  const [stdout, stderr] = [new PassThrough(), new PassThrough()];
  const [out, err] = [collect(stdout), collect(stderr)];
  const status = await run(
    words,
    { stdin: {}, stdout, stderr },
    { signal: new AbortController().signal, received: undefined, status: 130 },
  );
  return { status, stdout: out(), stderr: err() };
}

/**
 * Loopback addresses `127.77.N.last`, with N for this run and this file: files of one run never meet, and two runs on one computer seldom do.
 * `file` is 0 to 7, another one for each test file.
 */
export function addresses(file: 0 | 1 | 2 | 3 | 4 | 5 | 6 | 7): (last: number) => string {
  const third = 8 * (process.ppid % 31) + file;
  return (last) => `127.77.${third}.${last}`;
}

/** Text of a stream so far. */
export function collect(stream: NodeJS.ReadableStream): () => string {
  const chunks: Buffer[] = [];
  stream.on("data", (chunk: Buffer) => chunks.push(chunk));
  return () => Buffer.concat(chunks).toString("utf8");
}

/** A simulated machine in a process of its own; resolves when it listens. */
export class Simulated implements AsyncDisposable {
  readonly child: ChildProcess;
  readonly ready: string;

  private constructor(child: ChildProcess, ready: string) {
    this.child = child;
    this.ready = ready;
  }

  static async start(words: readonly string[]): Promise<Simulated> {
    const child = start(["simulate", ...words]);
    const [stdout, stderr] = [collect(child.stdout!), collect(child.stderr!)];
    return await new Promise((resolve, reject) => {
      child.on("exit", (status) => reject(new Error(`simulate ended with status ${status}: ${stderr()}`)));
      child.stdout!.on("data", () => {
        if (stdout().includes("ready") && stdout().endsWith("\n")) resolve(new Simulated(child, stdout()));
      });
    });
  }

  /** SIGTERM; resolves with the exit status. */
  async stop(): Promise<number | null> {
    if (this.child.exitCode !== null) return this.child.exitCode;
    this.child.kill("SIGTERM");
    const [status] = (await once(this.child, "exit")) as [number | null];
    return status;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }
}

/** A controller in a process of its own. */
export class Served implements AsyncDisposable {
  readonly child: ChildProcess;
  /** What it said when it was ready. */
  readonly ready: { readonly port: number; readonly notifyPort: number; readonly bind: readonly string[]; readonly tls: boolean };
  readonly stderr: () => string;

  private constructor(child: ChildProcess, ready: Served["ready"], stderr: () => string) {
    this.child = child;
    this.ready = ready;
    this.stderr = stderr;
  }

  /** Resolves when it listens. */
  static async start(words: readonly string[]): Promise<Served> {
    const child = start(["serve", "--port", "0", "--json", ...words]);
    const [stdout, stderr] = [collect(child.stdout!), collect(child.stderr!)];
    while (!stdout().endsWith("\n")) {
      await Promise.race([once(child.stdout!, "data"), once(child, "exit")]);
      if (child.exitCode !== null) throw new Error(`serve ended with status ${child.exitCode}: ${stderr()}`);
    }
    return new Served(child, JSON.parse(stdout()) as Served["ready"], stderr);
  }

  /** Where it listens, for `--via`. */
  get via(): string {
    return `127.0.0.1:${this.ready.port}`;
  }

  /** SIGTERM; resolves with the exit status. */
  async stop(): Promise<number | null> {
    if (this.child.exitCode === null) {
      this.child.kill();
      await once(this.child, "exit");
    }
    return this.child.exitCode;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }
}

/** A host that takes datagrams and never answers: a board that is not booted. Counts what came. */
export class SilentBoard implements AsyncDisposable {
  readonly #socket: Socket;
  received = 0;

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.on("message", () => {
      this.received += 1;
    });
  }

  static async listen(host: string, port = 17893): Promise<SilentBoard> {
    const socket = createSocket("udp4");
    socket.bind(port, host);
    await once(socket, "listening");
    return new SilentBoard(socket);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await new Promise<void>((resolve) => this.#socket.close(() => resolve()));
  }
}

/** A folder that goes away at the end. */
export async function temporaryFolder(): Promise<{ readonly path: string; file(name: string): string } & AsyncDisposable> {
  const path = await mkdtemp(join(tmpdir(), "spinn-e2e-"));
  return { path, file: (name) => join(path, name), [Symbol.asyncDispose]: () => rm(path, { recursive: true, force: true }) };
}

/** The one JSON object that stdout must hold, and nothing else. */
export function jsonOf(run: Run): Record<string, unknown> {
  const lines = run.stdout.trimEnd().split("\n");
  if (lines.length !== 1) throw new Error(`stdout is not one line: ${run.stdout.slice(0, 400)}`);
  return JSON.parse(lines[0]!) as Record<string, unknown>;
}

/** Runs an example in TypeScript against the built package, which finds itself by its name from its own folder. */
export async function runExample(path: string, env: NodeJS.ProcessEnv): Promise<Pick<Run, "stdout" | "stderr">> {
  const { ModuleKind, ScriptTarget, transpileModule } = (await import("typescript")).default;
  const source = await readFile(join(ROOT, path), "utf8");
  const { outputText } = transpileModule(source, { compilerOptions: { module: ModuleKind.ESNext, target: ScriptTarget.ES2022 } });
  return promisify(execFile)(process.execPath, ["--input-type=module", "-e", outputText], { cwd: ROOT, env });
}
