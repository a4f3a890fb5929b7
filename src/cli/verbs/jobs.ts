import type { Command } from "commander";
import type { Allocator, ListedJob } from "../../services/allocation/index.js";
import { addDryRun, isDryRun } from "../dry-run.js";
import { formatDuration, plural } from "../format.js";
import type { Job, Verb } from "../job.js";
import { parseInteger } from "../number.js";
import { addDisturbOptions, confirmDisturbing } from "../ownership.js";
import { addServerOption, type ChosenServer, withServer } from "../spalloc.js";
import { ExitStatus } from "../status.js";
import { type Column, formatTable } from "../table.js";
import { usage } from "../usage.js";

/** A server that says nothing by itself is asked this often, ms. */
const POLL_MS = 2000;

const HEAD: readonly Column[] = [
  { title: "job", align: "right" },
  ...["owner", "state", "asked for", "machine"].map((title) => ({ title })),
  { title: "boards", align: "right" },
  { title: "age", align: "right" },
  { title: "from" },
];

export const verb: Verb = {
  configure: (command) =>
    void addDryRun(addDisturbOptions(addServerOption(command)))
      .argument("[action]", "list, watch or destroy (default: list)")
      .argument("[job]", "its number; watch without one follows all jobs")
      .option("--reason <words>", "why a job is destroyed; its owner is told"),
  examples: [
    "jobs --spalloc spinn.example.org",
    "jobs watch 24 # a line per change, until the job has ended",
    "jobs watch --ndjson",
    'jobs destroy 24 --reason "left over from last night" --yes',
  ],
  statuses: [1, 3, 4, 5, 8, 9],
  async run(job, command) {
    const [action = "list", number] = command.args;
    const jobId = number === undefined ? undefined : parseInteger("job", number, 0, 0x7fffffff);
    switch (action) {
      case "list":
        if (jobId !== undefined) throw usage("list lists all jobs", `spinn jobs watch ${jobId} follows one`);
        return withServer(job, command, (allocator) => list(job, allocator));
      case "watch":
        return withServer(job, command, (allocator) => (jobId === undefined ? watchAll(job, allocator) : watchOne(job, allocator, jobId)));
      case "destroy":
        if (jobId === undefined) throw usage("no job is named", "spinn jobs destroy NUMBER; spinn jobs lists them");
        return withServer(job, command, (allocator, chosen) => destroy(job, command, allocator, chosen, jobId));
      default:
        throw usage(`"${action}" is nothing that can be done with jobs`, "there are list, watch and destroy");
    }
  },
};

async function list(job: Job, allocator: Allocator): Promise<undefined> {
  const jobs = await allocator.listJobs({ signal: job.signal });
  const members = { server: allocator.where, jobs: jobs.map(membersOf) };
  job.result(members, () => (jobs.length === 0 ? "no jobs\n" : formatTable(HEAD, jobs.map(rowOf), job.terminal.columns)));
  return undefined;
}

function membersOf({ jobId, args, kwargs, ...rest }: ListedJob): Record<string, unknown> {
  return { job: jobId, ...rest, asked: { args, kwargs } };
}

function rowOf(job: ListedJob): string[] {
  const age = job.startTime === null ? "" : formatDuration(Math.max(0, Date.now() - job.startTime.getTime()));
  const boards = job.boards.length === 0 ? "" : String(job.boards.length);
  return [String(job.jobId), job.owner, stateWords(job), askedFor(job), job.machine ?? "", boards, age, job.keepaliveHost ?? ""];
}

/** What a job has asked for, as create_job of the classic protocol takes it: a number, a rectangle of triads, or a place. */
function askedFor({ args, kwargs }: ListedJob): string {
  const numbers = args.map(String);
  if (numbers.length === 2) return `${numbers.join("x")} triads`;
  if (numbers.length === 3) return numbers.join(",");
  const { board, dimensions } = kwargs as { board?: Record<string, unknown>; dimensions?: { width?: unknown; height?: unknown } };
  if (board) return Object.values(board).join(",");
  if (dimensions) return `${String(dimensions.width)}x${String(dimensions.height)} triads`;
  return plural(Number(numbers[0] ?? 1), "board");
}

function stateWords({ state, power }: Pick<ListedJob, "state" | "power">): string {
  if (state === "power") return power === false ? "going off" : "coming on";
  if (state === "ready" && power === false) return "off";
  return state;
}

/** One job: its state now and at each change; ends with the job. */
async function watchOne(job: Job, allocator: Allocator, jobId: number): Promise<number> {
  job.leftBehind = `job ${jobId} goes on`;
  let last = "";
  for await (const _ of changes(job, allocator, jobId)) {
    const { state, power, reason, startTime, keepaliveHost } = await allocator.jobStatus(jobId, { signal: job.signal });
    if (state === "unknown") {
      if (last !== "") return ExitStatus.DONE;
      job.terminal.complain(`spinn jobs: ${allocator.where} knows no job ${jobId}\n  spinn jobs lists those that there are`);
      return ExitStatus.NO;
    }
    const words = `${stateWords({ state, power })}${reason === null ? "" : `: ${reason}`}`;
    if (words !== last) job.result({ job: jobId, state, power, reason, startTime, keepaliveHost }, () => `${words}\n`, "job");
    last = words;
    if (state === "destroyed" || job.terminal.outputGone.aborted) return ExitStatus.DONE;
  }
  return ExitStatus.DONE;
}

/** All jobs: a line for each that comes, changes or goes. */
async function watchAll(job: Job, allocator: Allocator): Promise<number> {
  job.leftBehind = "the jobs go on";
  const before = new Map<number, string>();
  for await (const _ of changes(job, allocator, null)) {
    const jobs = await allocator.listJobs({ signal: job.signal });
    for (const each of jobs) {
      const words = stateWords(each);
      if (before.get(each.jobId) === words) continue;
      before.set(each.jobId, words);
      const { jobId, state, power, startTime, keepaliveHost, owner, machine } = each;
      const members = { job: jobId, state, power, reason: null, startTime, keepaliveHost, owner, machine };
      job.result(members, () => `${jobId}  ${owner}  ${words}${machine === null ? "" : `  ${machine}`}\n`, "job");
    }
    for (const jobId of [...before.keys()].filter((known) => !jobs.some((each) => each.jobId === known))) {
      before.delete(jobId);
      const members = { job: jobId, state: "destroyed", power: null, reason: null, startTime: null, keepaliveHost: null };
      job.result(members, () => `${jobId}  ended\n`, "job");
    }
    if (job.terminal.outputGone.aborted) break;
  }
  return ExitStatus.DONE;
}

/** Yields at once and whenever something may have changed. Ends by Ctrl-C with its error, and when nobody reads any more. */
async function* changes(job: Job, allocator: Allocator, jobId: number | null): AsyncGenerator<void> {
  let changed = true;
  let wake = (): void => {};
  const notice = (): void => {
    changed = true;
    wake();
  };
  const unwatch = allocator.watchJob(jobId, notice);
  const signals = [job.signal, job.terminal.outputGone];
  for (const signal of signals) signal.addEventListener("abort", notice);
  try {
    while (!job.terminal.outputGone.aborted) {
      job.signal.throwIfAborted();
      changed = false;
      yield;
      if (changed) continue;
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, POLL_MS);
        wake = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
  } finally {
    unwatch();
    for (const signal of signals) signal.removeEventListener("abort", notice);
  }
}

async function destroy(
  job: Job,
  command: Command,
  allocator: Allocator,
  { settings }: ChosenServer,
  jobId: number,
): Promise<number | undefined> {
  const { signal } = job;
  const known = (await allocator.listJobs({ signal })).find((each) => each.jobId === jobId);
  if (known === undefined) {
    job.result({ job: jobId, destroyed: false }, () => `job ${jobId} is none that runs: it has ended, or never was\n`, "jobs.destroy");
    return ExitStatus.NO;
  }
  const what = `ending job ${jobId} (${plural(known.boards.length, "board")} of ${known.machine ?? "no machine yet"}) switches its boards off`;
  if (isDryRun(job, command, `end job ${jobId} of ${known.owner}`)) return undefined;
  const { userInfo } = await import("node:os");
  const isMine = known.owner === (settings.owner ?? userInfo().username);
  await confirmDisturbing(job, command, what, isMine ? [] : [`its owner ${known.owner}`]);
  const { reason } = command.opts<{ reason?: string }>();
  await allocator.destroyJob(jobId, reason ?? `destroyed by ${settings.owner ?? userInfo().username}`, { signal });
  job.result({ job: jobId, destroyed: true }, () => `job ${jobId} was ended\n`, "jobs.destroy");
  return undefined;
}
