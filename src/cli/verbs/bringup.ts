import { dirname } from "node:path";
import type { Command } from "commander";
import {
  type BoardSource,
  devicesOver,
  type FleetBoard,
  type FleetEvent,
  type FleetOptions,
  loadScript,
  parseScript,
  planBringup,
  planFleet,
  readScriptFile,
  runBringup,
  runFleet,
  type Script,
  type ScriptFor,
  scriptSchema,
} from "../../bringup/index.js";
import type { RemoteNetwork } from "../../controller/index.js";
import { SpinnError } from "../../errors.js";
import { inventoryPath, parsePort, resolveBoard } from "../board.js";
import { addressWords, planHead, planText } from "../bringup-plan.js";
import { closingLine, Teller } from "../bringup-teller.js";
import { fleetBoard, selectBoards } from "../fleet-boards.js";
import { countsLine, FleetDisplay, fleetText } from "../fleet-display.js";
import { plural } from "../format.js";
import { addInspectOption, inspected } from "../inspected.js";
import { type Inventory, readInventory } from "../inventory.js";
import type { Job, Verb } from "../job.js";
import { parseDuration, parseInteger } from "../number.js";
import { addRequestOptions, andGiveBack, requestOf, withServer } from "../spalloc.js";
import { ExitStatus } from "../status.js";
import { usage } from "../usage.js";
import { addViaOption, openNetwork, viaOf } from "../via.js";

interface Options {
  readonly host?: string;
  readonly port?: number;
  readonly bmp?: string;
  readonly bootPort?: number;
  readonly boards?: readonly string[];
  readonly inventory?: string;
  readonly atOnce?: number;
  readonly powerSpacing?: number;
  readonly failFast?: boolean;
  readonly set?: Readonly<Record<string, string>>;
  readonly output?: string;
  readonly report?: string;
  readonly junit?: string;
  readonly resume?: boolean;
  readonly dryRun?: boolean;
  readonly schema?: boolean;
  readonly ndjson?: boolean;
  readonly inspect?: number | true;
  readonly via?: string;
  readonly alloc?: number;
}

const AT_ONCE = 8;

export const verb: Verb = {
  configure: (command) =>
    void addInspectOption(addRequestOptions(addViaOption(command, "else this computer's own network")))
      .argument("[script]", "bring-up script in YAML")
      .option("--host <host>", "board; stands above what the script says (default: the script's, then SPINN_HOST)")
      .option("--port <n>", "UDP port of the board (default: 17893)", parsePort)
      .option("--bmp <host>", "its board management processor, host or host:port")
      .option("--boot-port <n>", "UDP port of the boot ROM (default: 54321)", parsePort)
      .option("--boards <names>", "many boards: names, groups and patterns of the inventory, or addresses: rack1,desk,lab-*", addNames)
      .option("--alloc <n>", "many boards: n that an allocation server lends, given back at the end; a bad one is replaced", (text) =>
        parseInteger("--alloc", text, 1, 1200),
      )
      .option("--inventory <file>", "the inventory (default: $SPINN_BOARDS, then ~/.config/spinn/boards.yaml)")
      .option("--at-once <n>", "boards under way at a time (default: 8)", (text) => parseInteger("--at-once", text, 1, 256))
      .option("--power-spacing <time>", "least time between two boards switched on through one BMP (default: none)", (text) =>
        parseDuration("--power-spacing", text),
      )
      .option("--fail-fast", "end the other boards' runs when one fails")
      .option("-s, --set <name=value>", "a variable of the script; may be repeated", addVariable)
      .option("-o, --output <folder>", "folder for files that steps write, with a folder per board for many (default: the current one)")
      .option("--report <file>", "write the report as JSON")
      .option("--junit <file>", "write the report as JUnit XML, for CI")
      .option("--resume", "go on behind the last finished step of an interrupted run; boards that are up are left alone")
      .option("-n, --dry-run", "check the script and its files, and say what would be done for each board; send nothing")
      .option("--schema", "print the JSON schema of scripts, for editors"),
  examples: [
    "bringup night.yaml --host 192.168.240.1 --bmp 192.168.240.0",
    "bringup night.yaml --set cores=0,0,1-16 --report night.json --resume # go on after an interruption",
    "bringup lab.yaml --boards rack1 --at-once 8 --junit lab.xml --json # status 0 when all boards are up, 7 when some are not",
    "bringup nightly.yaml --alloc 3 --spalloc spinn.example.org # on whatever boards are free, with the power that the server gives them",
    "bringup lab.yaml --boards 'rack1-*,desk' --dry-run # every step of every board, with its values",
  ],
  statuses: [1, 3, 4, 5, 6, 7, 9, 74],
  async run(job, command) {
    const options = command.opts<Options>();
    const path = command.args[0];
    if (options.schema) {
      job.result({ scriptSchema: scriptSchema() }, () => `${JSON.stringify(scriptSchema(), undefined, 2)}\n`, "bringup.schema");
      return;
    }
    if (path === undefined) throw usage("no script is named", "spinn bringup SCRIPT.yaml; spinn help bringup has examples");
    const inventory = await readInventory(options.inventory ?? inventoryPath(), options.inventory !== undefined);
    if (options.alloc !== undefined) return runBorrowed(job, command, path, options, options.alloc);
    return options.boards === undefined
      ? runOne(job, command, path, options, inventory)
      : runMany(job, path, options, options.boards, inventory);
  },
};

/** One board: what ends its run is the error of the command. */
async function runOne(job: Job, command: Command, path: string, options: Options, inventory: Inventory | undefined): Promise<undefined> {
  for (const name of ["atOnce", "powerSpacing", "failFast"] as const) {
    if (options[name] !== undefined)
      throw usage(`--${name.replace(/[A-Z]/, (letter) => `-${letter.toLowerCase()}`)} is for many boards`, "add --boards NAMES");
  }
  const { script, board: said } = await scriptAndBoard(path, options, inventory);
  // --via stands above what the script says, as --host does; SPINN_VIA below, as SPINN_HOST. What sends nothing needs no way.
  const isDirect = options.dryRun === true || (script.board.host !== undefined && options.via === undefined);
  const via = isDirect ? undefined : await viaOf(command, ["host", "bmp"]);
  const network = via === undefined ? undefined : await openNetwork(job, via);
  const board = network === undefined ? said : boardOver(network, said, options);
  const given = { board, ...(options.resume === undefined ? {} : { resume: true }) };
  if (options.dryRun) {
    const plan = await planBringup(script, given);
    const members = { script: plan.script, board: plan.board.host, bmp: plan.board.bmp?.host, dryRun: true, steps: plan.steps };
    job.result(members, () => `${planHead(plan.script, plan.steps.length)}${addressWords(plan.board)}\n${planText(job.terminal, plan)}`);
    return;
  }
  const teller = new Teller(job, options.ndjson === true);
  const report = await inspected(job, command, "bringup", ({ signal, safePoint, ...told }) =>
    runBringup(script, {
      ...given,
      ...(network === undefined ? {} : { devices: devicesOver(network.open) }),
      signal,
      beforeStep: safePoint,
      onProgress: (event) => {
        if (event.type === "step-start") told.onStep(`${event.step}: ${event.words}`);
        else if (event.type === "step-progress") told.onProgress(event.progress);
        teller.tell(event);
      },
      outputFolder: options.output,
      reportPath: options.report,
      junitPath: options.junit,
    }),
  );
  if (!options.ndjson) job.result({ report }, () => closingLine(report));
}

/** The script with the variables of the board that is meant; the board is what the caller, else the script, says. */
/** The controller's board, with what was said otherwise. */
function boardOver(network: RemoteNetwork, said: FleetBoard["address"], options: Options): FleetBoard["address"] {
  const place = options.host === undefined ? network.board : { host: said.host, port: said.port };
  return {
    ...said,
    ...place,
    ...(options.port === undefined ? {} : { port: options.port }),
    bootPort: options.bootPort ?? network.bootPort,
    bmp: options.bmp === undefined ? network.bmp : said.bmp,
  };
}

async function scriptAndBoard(
  path: string,
  options: Options,
  inventory: Inventory | undefined,
): Promise<{ readonly script: Script; readonly board: FleetBoard["address"] }> {
  const load = (boardVariables: FleetBoard["variables"]): Promise<Script> => loadScript(path, { variables: options.set, boardVariables });
  const usual = process.env["SPINN_HOST"];
  // A script may name its board, or speak of one that it leaves open: then it can only be read with that board's variables.
  const plain =
    options.host !== undefined
      ? undefined
      : await load(undefined).catch((error: unknown) => {
          if (usual === undefined) throw error;
        });
  const named = options.host ?? (plain?.board.host === undefined ? usual : undefined);
  const board = named === undefined ? undefined : fleetBoard(named, resolveBoard(named, inventory), inventory);
  const bmp = options.bmp === undefined ? board?.address.bmp : resolveBoard(options.bmp, inventory);
  return {
    script: board === undefined && plain ? plain : await load(board?.variables),
    board: {
      ...board?.address,
      ...(options.port === undefined ? {} : { port: options.port }),
      bootPort: options.bootPort,
      bmp: bmp === undefined ? undefined : { host: bmp.host, port: bmp.port },
    },
  };
}

/** Many boards: the command ends well when all of them are up. */
async function runMany(
  job: Job,
  path: string,
  options: Options,
  names: readonly string[],
  inventory: Inventory | undefined,
): Promise<ExitStatus | 143> {
  for (const name of ["host", "port", "bmp", "via"] as const) {
    if (options[name] !== undefined) throw usage(`--${name} is for one board`, "what --boards names has its addresses in the inventory");
  }
  if (options.inspect !== undefined) throw usage("--inspect is for one board", "a lab's bring-up tells of itself with --ndjson");
  const listed = selectBoards(names, inventory);
  const boards = listed.map((board) => ({ ...board, address: { ...board.address, bootPort: options.bootPort } }));
  const scriptFor = await readScript(path, options);
  if (options.dryRun) {
    await tellPlans(job, options, boards, scriptFor);
    return ExitStatus.DONE;
  }
  return runAll(job, options, scriptFor, boards, { resume: options.resume });
}

/** Boards that an allocation server lends, each with a job of its own. */
async function runBorrowed(job: Job, command: Command, path: string, options: Options, count: number): Promise<ExitStatus | 143> {
  for (const name of ["host", "port", "bmp", "via", "boards", "resume", "inspect"] as const) {
    if (options[name] !== undefined)
      throw usage(`--${name} does not go with --alloc`, "the allocation server says which boards there are, others each time");
  }
  const scriptFor = await readScript(path, options);
  const named = Array.from({ length: count }, (_, i) =>
    fleetBoard(`lent-${i + 1}`, { host: `lent-${i + 1}`, port: undefined, bmp: undefined }, undefined),
  );
  if (options.dryRun) {
    await tellPlans(job, options, named, scriptFor);
    return ExitStatus.DONE;
  }
  // What is wrong with the script is found before any board is asked for.
  await planFleet(scriptFor, named.slice(0, 1));
  const { BorrowedBoards } = await import("../borrowed-boards.js");
  return withServer(job, command, async (allocator, chosen) => {
    const lent = new BorrowedBoards(job, allocator, requestOf(command, chosen));
    return andGiveBack(
      job,
      () => lent.settle(),
      () => {
        const source = (signal: AbortSignal): AsyncIterable<FleetBoard> =>
          lent.boards(count, Math.min(count, options.atOnce ?? AT_ONCE), signal);
        return runAll(job, options, scriptFor, source, { replace: lent.replace, devices: lent.devices, stateFolder: false });
      },
    );
  });
}

async function readScript(path: string, options: Options): Promise<ScriptFor> {
  const yaml = await readScriptFile(path);
  return ({ variables }) => parseScript(yaml, { path, folder: dirname(path), variables: options.set, boardVariables: variables });
}

/** Runs a script for boards as they come; resolves with the status that the command ends with. */
async function runAll(
  job: Job,
  options: Options,
  scriptFor: ScriptFor,
  boards: BoardSource,
  more: Pick<FleetOptions, "resume" | "replace" | "devices" | "stateFolder">,
): Promise<ExitStatus | 143> {
  const display = options.ndjson ? undefined : new FleetDisplay(job);
  let isOver = false;
  const tell = (event: FleetEvent): void => {
    isOver ||= event.type === "fleet-end";
    if (display === undefined) job.result({ event }, () => "", "bringup.event");
    else display.tell(event);
    // Told before the reports are written: people see it also where a disk is full.
    if (event.type === "fleet-end" && display !== undefined) {
      job.result({ report: event.report }, () => fleetText(job, event.report), "bringup.fleet");
    }
  };
  try {
    const report = await runFleet(scriptFor, boards, {
      atOnce: options.atOnce ?? AT_ONCE,
      powerSpacingMs: options.powerSpacing,
      failFast: options.failFast,
      ...more,
      outputFolder: options.output,
      reportPath: options.report,
      junitPath: options.junit,
      signal: job.signal,
      onProgress: tell,
    });
    if (report.outcome === "done") return ExitStatus.DONE;
    const next =
      options.alloc === undefined
        ? "run again with --resume: boards that are up are left alone, the others go on"
        : "the boards are given back; run again for others";
    if (report.outcome === "failed") {
      job.terminal.complain(job.terminal.paintTalk("bad", `spinn bringup: ${countsLine(report)}\n  ${next}`));
      return ExitStatus.PARTIAL;
    }
    job.terminal.complain(`spinn bringup: interrupted; ${countsLine(report)}; ${next}`);
    return job.signal.reason === "SIGTERM" ? 143 : ExitStatus.INTERRUPTED;
  } catch (error) {
    if (!isOver || !(error instanceof SpinnError)) throw error;
    // The boards are as the summary says: this is no wrong usage any more.
    job.terminal.complain(job.terminal.paintTalk("bad", `spinn bringup: ${error.message}\n  ${error.hint ?? "the summary is above"}`));
    return ExitStatus.OUTPUT;
  } finally {
    display?.close();
  }
}

async function tellPlans(job: Job, options: Options, boards: readonly FleetBoard[], scriptFor: ScriptFor): Promise<void> {
  const plans = await planFleet(scriptFor, boards, { resume: options.resume });
  const { script, steps } = plans[0]!;
  const atOnce = options.atOnce ?? AT_ONCE;
  const members = plans.map(({ name, board, steps: planned }) => {
    const { host, bmp, slot } = board;
    return { board: name, host, bmp: bmp?.host, slot, steps: planned };
  });
  job.result(
    { script, dryRun: true, atOnce, boards: members },
    () => {
      const blocks = plans.map(
        (plan) => `\n${job.terminal.paint("strong", plan.name)}: ${addressWords(plan.board)}\n${planText(job.terminal, plan)}`,
      );
      return `${planHead(script, steps.length, ` for ${plural(plans.length, "board")}`, `, ${atOnce} at once`)}${blocks.join("")}`;
    },
    "bringup.fleet",
  );
}

function addNames(text: string, before: readonly string[] = []): readonly string[] {
  return [...before, ...text.split(",").map((name) => name.trim())];
}

function addVariable(text: string, before: Readonly<Record<string, string>> = {}): Record<string, string> {
  const match = /^([A-Za-z_][\w.-]*)=(.*)$/s.exec(text);
  if (match === null) throw usage(`--set: "${text}" is no name=value`);
  return { ...before, [match[1]!]: match[2]! };
}
