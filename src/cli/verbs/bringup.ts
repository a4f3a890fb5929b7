import { type BringupEvent, type BringupReport, loadScript, runBringup, type StepReport } from "../../bringup/index.js";
import { inventoryPath, parsePort, resolveBoard } from "../board.js";
import { formatDuration } from "../format.js";
import { addInspectOption, inspected, type Steps } from "../inspected.js";
import { readInventory } from "../inventory.js";
import type { Job, Verb } from "../job.js";
import { usage } from "../usage.js";

interface Options {
  readonly host?: string;
  readonly port?: number;
  readonly bmp?: string;
  readonly bootPort?: number;
  readonly set?: Readonly<Record<string, string>>;
  readonly output?: string;
  readonly report?: string;
  readonly resume?: boolean;
  readonly dryRun?: boolean;
  readonly ndjson?: boolean;
}

export const verb: Verb = {
  configure: (command) =>
    void addInspectOption(command)
      .argument("<script>", "bring-up script in YAML")
      .option("--host <host>", "board; stands above what the script says (default: the script's, then SPINN_HOST)")
      .option("--port <n>", "UDP port of the board (default: 17893)", parsePort)
      .option("--bmp <host>", "its board management processor, host or host:port")
      .option("--boot-port <n>", "UDP port of the boot ROM (default: 54321)", parsePort)
      .option("-s, --set <name=value>", "a variable of the script; may be repeated", addVariable)
      .option("-o, --output <folder>", "folder for files that steps write (default: the current one)")
      .option("--report <file>", "write the report as JSON")
      .option("--resume", "go on behind the last finished step of an interrupted run")
      .option("-n, --dry-run", "check the script and say what it would do; send nothing"),
  examples: [
    "bringup night.yaml --host 192.168.240.1 --bmp 192.168.240.0",
    "bringup night.yaml --set cores=0,0,1-16 --report night.json --resume # go on after an interruption",
  ],
  statuses: [1, 3, 4, 5, 6, 7, 9],
  async run(job, command) {
    const options = command.opts<Options>();
    const script = await loadScript(command.args[0]!, { variables: options.set });
    if (options.dryRun) {
      const steps = script.steps.map(({ kind, words }, i) => ({ step: i + 1, kind, words }));
      job.result({ script: script.name, board: script.board.host, dryRun: true, steps }, () => {
        const lines = steps.map(({ step, words }) => `${String(step).padStart(3)}  ${words}\n`);
        return `${script.name}: ${steps.length} steps; nothing is sent\n${lines.join("")}`;
      });
      return;
    }
    const board = await boardOf(options, script.board.host);
    const teller = new Teller(job, options.ndjson === true);
    const report = await inspected(job, command, "bringup", ({ signal, safePoint, ...told }) =>
      runBringup(script, {
        board,
        signal,
        beforeStep: safePoint,
        onProgress: (event) => {
          tellRun(event, told);
          teller.tell(event);
        },
        ...(options.output === undefined ? {} : { outputFolder: options.output }),
        ...(options.report === undefined ? {} : { reportPath: options.report }),
        ...(options.resume === undefined ? {} : { resume: true }),
      }),
    );
    if (!options.ndjson) job.result({ report }, () => closingLine(report));
  },
};

/** What others see of it with `--inspect`. */
function tellRun(event: BringupEvent, { onStep, onProgress }: Pick<Steps, "onStep" | "onProgress">): void {
  if (event.type === "step-start") onStep(`${event.step}: ${event.words}`);
  else if (event.type === "step-progress") onProgress(event.progress);
}

async function boardOf(options: Options, inScript: string | undefined) {
  const named = options.host ?? (inScript === undefined ? process.env["SPINN_HOST"] : undefined);
  const inventory = await readInventory(inventoryPath());
  const board = named === undefined ? undefined : resolveBoard(named, inventory);
  const bmpText = options.bmp ?? board?.bmp;
  const bmp = bmpText === undefined ? undefined : resolveBoard(bmpText, inventory);
  return {
    host: board?.host,
    port: options.port ?? board?.port,
    bootPort: options.bootPort,
    bmp: bmp === undefined ? undefined : { host: bmp.host, port: bmp.port },
  };
}

/** Tells a run as it goes: lines for people on stdout, or an object per event. */
class Teller {
  readonly #job: Job;
  readonly #ndjson: boolean;
  #steps = 0;

  constructor(job: Job, ndjson: boolean) {
    this.#job = job;
    this.#ndjson = ndjson;
  }

  tell(event: BringupEvent): void {
    const { terminal } = this.#job;
    if (event.type === "step-progress") terminal.progress.update(event.progress);
    if (this.#ndjson) {
      this.#job.result({ event }, () => "", "bringup.event");
      return;
    }
    if (event.type === "start") this.#start(event);
    else if (event.type === "step-start") {
      const place = `step ${event.step} of ${this.#steps}`;
      this.#job.leftBehind = `it was at ${place} (${event.words}); spinn bringup --resume goes on there`;
      terminal.progress.note(`${String(event.step).padStart(3)} ...  ${event.words}`);
    } else if (event.type === "step-end" && !this.#job.isJson) terminal.out(this.#stepText(event.report));
  }

  #start(event: { readonly script: string; readonly steps: number; readonly skipped: number }): void {
    this.#steps = event.steps;
    if (this.#job.isJson) return;
    const skipped = event.skipped === 0 ? "" : `, ${event.skipped} of them done by an earlier run`;
    this.#job.terminal.out(`${event.script}: ${event.steps} steps${skipped}\n`);
  }

  #stepText(step: StepReport): string {
    const { terminal } = this.#job;
    const mark =
      step.status === "done" ? terminal.paint("good", "ok  ") : terminal.paint("bad", step.status === "failed" ? "FAIL" : "STOP");
    const time = step.durationMs === undefined ? "" : `  ${terminal.paint("faint", formatDuration(step.durationMs))}`;
    const seen = Object.entries(step.seen ?? {}).flatMap(([name, value]) => seenLines(name, value));
    return `${[`${String(step.step).padStart(3)} ${mark}  ${step.words}${time}`, ...seen.map((line) => `          ${line}`)].join("\n")}\n`;
  }
}

function seenLines(name: string, value: unknown): string[] {
  if (typeof value !== "object" || value === null) return [`${name}: ${String(value)}`];
  if (Array.isArray(value)) return [`${name}: ${value.map((part) => (typeof part === "object" ? JSON.stringify(part) : part)).join(" ")}`];
  return Object.entries(value).flatMap(([key, part]) =>
    String(typeof part === "object" ? JSON.stringify(part) : part)
      .replace(/\n$/, "")
      .split("\n")
      .map((line) => `${key}: ${line}`),
  );
}

function closingLine(report: BringupReport): string {
  return `${report.outcome}: ${report.steps.length} steps in ${formatDuration(report.durationMs)}\n`;
}

function addVariable(text: string, before: Readonly<Record<string, string>> = {}): Record<string, string> {
  const match = /^([A-Za-z_][\w.-]*)=(.*)$/s.exec(text);
  if (match === null) throw usage(`--set: "${text}" is no name=value`);
  return { ...before, [match[1]!]: match[2]! };
}
