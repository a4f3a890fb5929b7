import { spawn } from "node:child_process";
import { once } from "node:events";
import { SpinnError } from "../../errors.js";
import { type Allocator, allocate, type JobRequest, openAllocator, type ReadyJob } from "../../services/allocation/index.js";
import { addDryRun, isDryRun } from "../dry-run.js";
import { plural } from "../format.js";
import type { Job, Verb } from "../job.js";
import { parseDuration } from "../number.js";
import { addRequestOptions, andGiveBack, chooseServer, requestOf, serverName } from "../spalloc.js";
import { usage } from "../usage.js";

interface Options {
  readonly at?: readonly [number, number, number];
  readonly hold?: true | number;
  readonly torus?: boolean;
}

/** `3`, `2x1`, `0,0,2`. */
const SPEC = /^(?:(\d+)|(\d+)x(\d+)|(\d+),(\d+),(\d+))$/;
/** A command that was told to end is killed after so long. */
const KILL_MS = 5000;

export const verb: Verb = {
  configure: (command) =>
    void addDryRun(addRequestOptions(command))
      .argument("[boards]", "how many: 3; triads: 2x1 (of three boards each); one board by its place: 0,0,2 (default: 1)")
      .argument("[command...]", "what to run with SPINN_HOST set; the boards are given back when it has ended; -- goes before its options")
      .option("--at <cabinet,frame,board>", "one board by its place in the room; --machine says which machine", parsePosition)
      .option("--torus", "only a whole machine, with its wrap-around links")
      .option("--hold [time]", "keep the boards until Ctrl-C, or for so long (default: without a command until Ctrl-C)", (text) =>
        parseDuration("--hold", text),
      ),
  examples: [
    "alloc 3 --spalloc spinn.example.org # prints hosts, holds the boards until Ctrl-C",
    "alloc 3 -- spinn boot # runs a command on them and gives them back",
    "alloc 0,0,2 --machine rack1 --hold 1h --json",
    "alloc --at 0,1,5 --machine rack1 -- python run.py",
  ],
  statuses: [1, 3, 4, 5, 9],
  async run(job, command) {
    const options = command.opts<Options>();
    const { request, words } = split(command.args, options);
    const chosen = await chooseServer(command);
    if (isDryRun(job, command, `ask ${serverName(chosen.server)} for ${requestWords(request, options)}`)) return undefined;
    const allocator = job.keep(closing(await openAllocator(chosen.server, { ...chosen, signal: job.signal })));
    const asked = { ...request, ...requestOf(command, chosen), requireTorus: options.torus };
    const board = options.at === undefined ? undefined : await boardAt(allocator, options.at, asked.machine);
    job.terminal.progress.note(`waiting for boards of ${allocator.where}`);
    const held = await allocate({ ...asked, ...(board && { board }), server: allocator, signal: job.signal });
    const status = await andGiveBack(
      job,
      async () => [held],
      async () => {
        job.terminal.progress.clear();
        tell(job, held, words.length > 0);
        const ended = words.length === 0 ? undefined : await runCommand(job, held, words);
        const holdMs = options.hold === true || (options.hold === undefined && words.length === 0) ? null : (options.hold ?? 0);
        if (holdMs !== 0) await hold(job, held, holdMs);
        if (held.lost.aborted) throw held.lost.reason;
        return ended;
      },
    );
    job.say(`job ${held.id}: ${plural(held.boards.connections.length, "board")} given back`);
    return status;
  },
};

function split(args: readonly string[], { at }: Options): { readonly request: JobRequest; readonly words: readonly string[] } {
  const match = SPEC.exec(args[0] ?? "");
  if (match === null) return { request: {}, words: args };
  if (at !== undefined) throw usage("--at is one board: how many is not asked", "leave out the number, or --at");
  const words = args.slice(1);
  if (words[0] !== undefined && SPEC.test(words[0])) {
    throw usage(`"${args[0]} ${words[0]}": boards are asked for in one word`, "write 3, 2x1 (triads) or 0,0,2 (a board)");
  }
  const [boards, width, height, x, y, z] = match.slice(1).map((digits) => (digits === undefined ? undefined : Number(digits)));
  if (boards !== undefined) return { request: { boards }, words };
  if (width !== undefined) return { request: { triads: { width, height: height! } }, words };
  return { request: { board: { x: x!, y: y!, z: z! } }, words };
}

function parsePosition(text: string): [number, number, number] {
  const match = /^(\d+),(\d+),(\d+)$/.exec(text);
  if (match === null) throw usage(`--at: "${text}" is no place in the room`, "write cabinet,frame,board: 0,1,5");
  return [Number(match[1]), Number(match[2]), Number(match[3])];
}

async function boardAt(allocator: Allocator, [cabinet, frame, board]: readonly [number, number, number], machine: string | undefined) {
  if (machine === undefined) throw usage("--at needs the machine", "add --machine NAME; spinn machines lists them");
  const place = await allocator.whereIs({ machine, cabinet, frame, board });
  if (place !== null) return place.board;
  throw new SpinnError("ERR_SPINN_REMOTE", `${allocator.where} knows no board ${cabinet},${frame},${board} of a machine "${machine}"`, {
    hint: "spinn machines lists its machines",
  });
}

/** Hosts, the one to boot through first. With a command, stdout is the command's. */
function tell(job: Job, held: ReadyJob, hasCommand: boolean): void {
  const { boards, id, where } = held;
  const { machine, width, height } = boards;
  const hosts = [...boards.connections].sort((a, b) => Number(b.host === boards.host) - Number(a.host === boards.host));
  job.say(`job ${id} of ${where}: ${plural(hosts.length, "board")} of ${machine}, ${width} x ${height} chips`);
  const isProxied = held.open !== undefined;
  if (isProxied) job.say("these boards are reached through the server only: by allocate() in a program, and by spinn bringup --alloc");
  const members = { server: where, job: id, machine, width, height, proxied: isProxied, boards: hosts };
  if (!hasCommand) job.result(members, () => hosts.map(({ host }) => `${host}\n`).join(""));
}

/** Runs the command until it ends, until it is told to by a signal, or until its boards are gone; resolves with its status. */
async function runCommand(job: Job, held: ReadyJob, words: readonly string[]): Promise<number> {
  const { SPINN_VIA: _via, ...variables } = process.env;
  const { host, connections, machine } = held.boards;
  const hosts = [host, ...connections.map((board) => board.host).filter((other) => other !== host)];
  const child = spawn(words[0]!, words.slice(1), {
    stdio: "inherit",
    env: { ...variables, SPINN_HOST: host, SPINN_HOSTS: hosts.join(","), SPINN_JOB: String(held.id), SPINN_MACHINE: machine },
  });
  let killing: NodeJS.Timeout | undefined;
  const end = (signal: NodeJS.Signals): void => {
    child.kill(signal);
    killing ??= setTimeout(() => child.kill("SIGKILL"), KILL_MS);
  };
  // At a terminal Ctrl-C has gone to the command as well; whoever handles it may take the time that is left.
  const onAbort = (): void => end(job.signal.reason === "SIGTERM" || !job.terminal.isInteractive ? "SIGTERM" : "SIGINT");
  const onLost = (): void => end("SIGTERM");
  job.signal.addEventListener("abort", onAbort, { once: true });
  held.lost.addEventListener("abort", onLost, { once: true });
  try {
    const [status, signal] = (await once(child, "exit")) as [number | null, NodeJS.Signals | null];
    job.signal.throwIfAborted();
    return status ?? 128 + (await signalNumber(signal!));
  } catch (cause) {
    if (job.signal.aborted) throw cause;
    throw usage(
      `${words[0]} cannot be started: ${(cause as Error).message}`,
      "what is behind the number of boards is a command: spinn alloc 3 -- COMMAND",
    );
  } finally {
    clearTimeout(killing);
    job.signal.removeEventListener("abort", onAbort);
    held.lost.removeEventListener("abort", onLost);
  }
}

async function signalNumber(signal: NodeJS.Signals): Promise<number> {
  const { constants } = await import("node:os");
  return constants.signals[signal];
}

/** Until Ctrl-C, until the boards are gone, or for so long. */
async function hold(job: Job, held: ReadyJob, holdMs: number | null): Promise<void> {
  job.say(holdMs === null ? "Ctrl-C gives them back" : `held for ${holdMs / 1000} s`);
  await new Promise<void>((resolve) => {
    // Also without an end: a signal handler alone does not keep the process running.
    const timer = holdMs === null ? setInterval(() => {}, 1 << 30) : setTimeout(done, Math.min(holdMs, 0x7fffffff));
    function done(): void {
      clearTimeout(timer);
      job.signal.removeEventListener("abort", done);
      held.lost.removeEventListener("abort", done);
      resolve();
    }
    job.signal.addEventListener("abort", done, { once: true });
    held.lost.addEventListener("abort", done, { once: true });
    if (job.signal.aborted || held.lost.aborted) done();
  });
}

function requestWords({ boards = 1, triads, board }: JobRequest, { at, torus }: Options): string {
  if (at !== undefined) return `the board at ${at.join(",")}`;
  if (board !== undefined) return `board ${board.x},${board.y},${board.z}`;
  const words = triads === undefined ? plural(boards, "board") : `${triads.width} x ${triads.height} triads`;
  return torus ? `a whole machine of ${words}` : words;
}

function closing(allocator: Allocator): Allocator & AsyncDisposable {
  return Object.assign(allocator, { [Symbol.asyncDispose]: () => allocator.close() });
}
