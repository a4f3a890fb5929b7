import { ACCESS, type Access, Controller, type ControllerOptions, serveController } from "../../controller/index.js";
import { type BoardEngine, type BoardEngineOptions, type BoardEngineState, startBoardEngines } from "../../engine/index.js";
import { SpinnError } from "../../errors.js";
import { connectionFilePath, readEngineFile } from "../../services/cluster/index.js";
import { parseAccess } from "../access.js";
import { inventoryPath, parsePort, resolveBoard } from "../board.js";
import { fleetBoard, selectBoards } from "../fleet-boards.js";
import { plural } from "../format.js";
import { readInventory } from "../inventory.js";
import type { Job, Verb } from "../job.js";
import { parseDuration, parseInteger } from "../number.js";
import { coresOf } from "../simulated.js";
import { usage } from "../usage.js";

interface Options {
  readonly host?: readonly string[];
  readonly boards?: readonly string[];
  readonly port?: number;
  readonly simulation?: number;
  readonly cluster?: string;
  readonly profile?: string;
  readonly clusterId?: string;
  readonly allow?: Access;
  readonly silent?: number;
  readonly scripts?: string;
  readonly watch: boolean;
}

interface Named {
  readonly name: string;
  readonly options: ControllerOptions;
}

const addHost = (one: string, others: readonly string[] = []): string[] => [...others, one];
const addNames = (text: string, others: readonly string[] = []): string[] => [...others, ...text.split(",")];
/** Six sockets each, and a controller is at ease with about a hundred engines. */
const MAX_BOARDS = 150;

export const verb: Verb = {
  configure: (command) =>
    void command
      .option("--host <host>", "board: address, host:port, or a name of the inventory; may be repeated (default: $SPINN_HOST)", addHost)
      .option("--boards <names>", "many boards: names, groups and patterns of the inventory, or addresses: rack1,desk,lab-*", addNames)
      .option("--port <n>", "UDP port of the boards (default: 17893)", parsePort)
      .option("--simulation <n>", "so many simulated boards of 4 chips instead of real ones", (text) =>
        parseInteger("--simulation", text, 1, MAX_BOARDS),
      )
      .option("--cluster <file>", "ipcontroller-engine.json of the controller (default: that of the profile)")
      .option("--profile <name>", "IPython profile of the controller (default: default)")
      .option("--cluster-id <id>", "the --cluster-id that the controller was started with (default: none)")
      .option("--allow <what>", `what clients may do: ${ACCESS.join(", ")}, each with those before (default: disturb)`, parseAccess)
      .option("--silent <time>", "how long a board may be silent before its heartbeat is withheld (default: 6s)", (text) =>
        parseDuration("--silent", text),
      )
      .option("--scripts <folder>", "folder of bring-up scripts that clients may run (default: none)")
      .option("--no-watch", "do not serve the runs, on free ports of this computer, for spinn watch and its like"),
  examples: [
    "engine --simulation 2 # two simulated boards; then, in Python: ipyparallel.Client()[0].apply_sync(ipyparallel.Reference('info'))",
    "engine --host 192.168.240.1 --cluster ~/.ipython/profile_default/security/ipcontroller-engine.json",
    "engine --boards rack1 --profile lab --allow change # a rack in one process; nobody boots or switches it",
  ],
  statuses: [3, 4, 7, 8],
  async run(job, command) {
    const options = command.opts<Options>();
    const { allow = "disturb", profile, clusterId: cluster } = options;
    if (options.cluster !== undefined && (profile ?? cluster) !== undefined) throw usage("--cluster names the file: leave out the profile");
    const file = options.cluster ?? connectionFilePath({ profile, cluster, of: "engine" });
    // Before anything is asked of boards: a wrong file is the likeliest mistake.
    await readEngineFile(file, job.signal);
    const boards = options.simulation === undefined ? await real(options) : await simulated(job, options.simulation);
    const controllers = boards.map(({ options: board }) => new Controller({ ...board, scriptFolder: options.scripts }));
    const vias: (string | null)[] = [];
    for (const controller of controllers) {
      const served = options.watch ? job.keep(await serveController(controller, { port: 0, notifyPort: 0, allow })) : undefined;
      vias.push(served === undefined ? null : `127.0.0.1:${served.port}`);
    }
    let isReady = false;
    const optionsOf = (_: Controller, i: number): BoardEngineOptions => ({
      ...{ file, name: boards[i]!.name, allow, silentMs: options.silent, signal: job.signal },
      place: vias[i] === null ? undefined : { via: vias[i]! },
      onState: (state, reason) => isReady && !job.signal.aborted && tell(job, boards[i]!.name, state, reason),
    });
    const engines = await startBoardEngines(controllers, optionsOf);
    for (const engine of engines) job.keep(engine);
    const list = engines.map(({ name, id, state }, i) => ({ board: name, engine: id ?? null, state, via: vias[i]! }));
    if (engines.every(({ state }) => state !== "ready")) {
      throw new SpinnError("ERR_SPINN_UNREACHABLE", `no board answers: ${list.map(({ board }) => board).join(", ")}`, {
        hint: "are they powered and booted? spinn doctor --host HOST finds out step by step",
      });
    }
    for (const { board, state } of list) {
      if (state !== "ready") job.say(`WARNING:spinn:board ${board} does not answer; it becomes an engine when it does`);
    }
    const ready = list.filter(({ engine }) => engine !== null);
    const words = `ready: ${plural(ready.length, "engine")}, ${ready.map(({ engine, board }) => `${engine} ${board}`).join(", ")}\n`;
    job.result({ ready: true, cluster: file, allow, boards: list }, () => words);
    isReady = true;
    await untilEnd(job, engines);
    return undefined;
  },
};

function tell(job: Job, board: string, state: BoardEngineState, reason: string | undefined): void {
  if (job.isJson) job.result({ board, state, reason: reason ?? null }, () => "", "engine.state");
  else job.say(`${state === "ready" ? "INFO" : "WARNING"}:spinn:board ${board} is ${state}${reason === undefined ? "" : `: ${reason}`}`);
}

/** Ctrl-C, or all were shut down by clients: usual ways, so no error. Throws when the cluster went away. */
async function untilEnd(job: Job, engines: readonly BoardEngine[]): Promise<void> {
  const interrupted = new Promise<undefined>((resolve) => {
    job.signal.addEventListener("abort", () => resolve(undefined), { once: true });
    if (job.signal.aborted) resolve(undefined);
  });
  const errors = await Promise.race([interrupted, Promise.all(engines.map(({ ended }) => ended))]);
  const error = errors?.find((one) => one !== undefined);
  if (error !== undefined && !job.signal.aborted) throw error;
}

async function real({ host = [], boards = [], port }: Options): Promise<Named[]> {
  const inventory = await readInventory(inventoryPath());
  const said = host.length + boards.length === 0 ? [process.env["SPINN_HOST"] ?? ""].filter((one) => one !== "") : host;
  const chosen = [
    ...said.map((one) => fleetBoard(one, resolveBoard(one, inventory), inventory)),
    ...(boards.length === 0 ? [] : selectBoards(boards, inventory)),
  ];
  if (chosen.length === 0) throw usage("no board is named", "give --host HOST or --boards NAMES, or try --simulation 1");
  if (chosen.length > MAX_BOARDS) throw usage(`${chosen.length} boards are too many for one process`, `${MAX_BOARDS} are the most`);
  return chosen.map(({ name, address }) => ({ name, options: { ...address, port: port ?? address.port } as ControllerOptions }));
}

async function simulated(job: Job, count: number): Promise<Named[]> {
  const { SimulatedMachine } = await import("../../simulator/index.js");
  const start = async (_: unknown, i: number): Promise<Named> => {
    const machine = job.keep(await SimulatedMachine.start({ board: "spin3", port: 0, programs: await coresOf("arm", job) }));
    return { name: `simulated-${i}`, options: { ...machine.boards[0]!.address, bootPort: machine.bootAddress.port } };
  };
  return Promise.all(Array.from({ length: count }, start));
}
