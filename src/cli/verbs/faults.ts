import { Client, RemoteError } from "../../services/rpc/index.js";
import { resolveBoard } from "../board.js";
import { readFaultFile } from "../fault-file.js";
import { faultWords, parseFaultWords } from "../fault-words.js";
import type { Job, Verb } from "../job.js";
import { CONTROL_TARGET, type FaultReport, type MachineClient, type MachineMethods } from "../machine-control.js";
import { parseInteger } from "../number.js";
import { usage } from "../usage.js";

interface Options {
  readonly add?: boolean;
  readonly seed?: number;
  readonly list?: boolean;
}

/** A control port answers at once, or is none. */
const TIMEOUT_MS = 5000;

export const verb: Verb = {
  configure: (command) =>
    void command
      .argument("<host:port>", "control port of a simulated machine, as spinn simulate --control prints it")
      .argument("[faults...]", "what replaces the faults: names, MEMBER=VALUE, off; or one YAML or JSON file of faults or of a timeline")
      .option("--add", "on top of the faults that are on")
      .option("--seed <n>", "start the generators of the faults anew from this seed", (text) => parseInteger("--seed", text, 0, 0xffffffff))
      .option("--list", "list the faults that have a name"),
  examples: [
    "faults 127.0.0.1:4000 # which are on",
    "faults 127.0.0.1:4000 lossy --seed 7 # a bad network, the same in every run",
    "faults 127.0.0.1:4000 toHost.loss=0.2 dead.links=0,0:east crashedCores=1,0,2",
    "faults 127.0.0.1:4000 off",
    "faults 127.0.0.1:4000 fixtures/faults/night.yaml # a timeline, explained in that file: it begins now",
  ],
  statuses: [3, 4, 5, 9],
  async run(job, command) {
    const [where, ...words] = command.args as [string, ...string[]];
    const options = command.opts<Options>();
    const { host, port } = resolveBoard(where, undefined);
    if (port === undefined) throw usage(`"${where}" names no port`, "write HOST:PORT, as spinn simulate --control prints it");
    await using machine: MachineClient = await Client.connect<MachineMethods>(host, port, {
      target: CONTROL_TARGET,
      timeoutMs: TIMEOUT_MS,
      connectTimeoutMs: TIMEOUT_MS,
      signal: job.signal,
    });
    try {
      await (options.list === true ? list(job, machine) : change(job, machine, words, options));
    } catch (error) {
      // The machine has checked what was typed here.
      if (error instanceof RemoteError && error.remoteClass === "ValueError") throw usage(error.remoteMessage);
      throw error;
    }
    return undefined;
  },
};

async function list(job: Job, machine: MachineClient): Promise<void> {
  const named = await machine.rpc.list_faults();
  job.result({ named }, () => {
    const names = Object.keys(named);
    const width = Math.max(...names.map((name) => name.length));
    return names.map((name) => `${`${name.padEnd(width)}  ${wordsOf(named[name] as Members)}`.trimEnd()}\n`).join("");
  });
}

async function change(job: Job, machine: MachineClient, words: readonly string[], { add, seed }: Options): Promise<void> {
  const report = await changed(machine, words, add === true, seed);
  job.result({ ...report }, () => reportText(report));
}

async function changed(machine: MachineClient, words: readonly string[], add: boolean, seed: number | undefined): Promise<FaultReport> {
  const [first] = words;
  if (first === undefined && seed === undefined) return await machine.rpc.get_faults();
  const seeded = seed ?? null;
  const before = await machine.rpc.get_faults();
  if (first === undefined) return await machine.rpc.set_faults(before.name ?? before.members, seeded);
  if (words.length === 1 && /\.(ya?ml|json)$/i.test(first)) {
    if (add) throw usage("--add takes names and members, not a file");
    const plan = await readFaultFile(first);
    if ("faults" in plan) return await machine.rpc.set_faults(plan.faults, seeded);
    return await machine.rpc.play(seed === undefined ? plan.timeline : { ...plan.timeline, seed });
  }
  const presets = await machine.rpc.list_faults();
  if (words.length === 1 && !add && Object.hasOwn(presets, first)) return await machine.rpc.set_faults(first, seeded);
  if (words.includes("off") && words.length > 1) throw usage("off stands alone: it lifts all faults");
  const members = words.includes("off") ? {} : parseFaultWords(words, presets, add ? before.members : {});
  return await machine.rpc.set_faults(members, seeded);
}

type Members = Record<string, unknown>;

function reportText({ name, members }: FaultReport): string {
  const words = wordsOf(members);
  if (words === "") return "none\n";
  return `${name === null ? "" : `${name}: `}${words}\n`;
}

function wordsOf(members: Readonly<Record<string, unknown>>): string {
  return faultWords(members).join(" ");
}
