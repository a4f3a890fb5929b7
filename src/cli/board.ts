import { homedir } from "node:os";
import { join } from "node:path";
import type { Command } from "commander";
import type { OpenChannel, PipelineCounters } from "../connections/index.js";
import type { RemoteNetwork } from "../controller/index.js";
import { Transceiver } from "../transceiver/index.js";
import { type BoardAddress, type Inventory, readInventory } from "./inventory.js";
import type { Job } from "./job.js";
import { parseDuration, parseInteger } from "./number.js";
import { usage } from "./usage.js";
import { addViaOption, openNetwork, viaOf } from "./via.js";

interface BoardOptions {
  /** Several times, in verbs that take several boards; the one that takes one takes the first. */
  readonly host?: string | readonly string[];
  readonly port?: number;
  readonly timeout?: number;
}

/** A board, and the way to it. */
export interface ChosenBoard extends BoardAddress {
  /** How datagrams get there; `undefined` for this computer's own network. */
  readonly open: OpenChannel | undefined;
  /** The controller's network, with `--via`. */
  readonly network: RemoteNetwork | undefined;
}

export const parsePort = (text: string): number => parseInteger("port", text, 1, 65535);
export const parseTimeout = (text: string): number => parseDuration("--timeout", text);

/** The options of every verb that talks to a board. */
export function addBoardOptions(command: Command): Command {
  return addViaOption(command, "else this computer's own network")
    .option("--host <host>", "board: address, name, host:port, or a name of the inventory (default: $SPINN_HOST, then its default)")
    .option("--port <n>", "UDP port of the board (default: 17893)", parsePort)
    .option("--timeout <time>", "how long the board may stay silent before it is taken for absent (default: 3s)", parseTimeout);
}

/** Runs that have said which board they mean: once is enough. */
const told = new WeakSet<Job>();

/**
 * Which board is meant: `--host`, else that of the controller named by `--via` or SPINN_VIA, else SPINN_HOST, else the default of the inventory.
 * Throws `ERR_SPINN_ARGUMENT` when none is, and what connecting to the controller throws.
 */
export async function chooseBoard(job: Job, command: Command): Promise<ChosenBoard> {
  const options = command.opts<BoardOptions>();
  const inventory = await readInventory(inventoryPath());
  const host = [options.host].flat()[0];
  const via = await viaOf(command, ["host"]);
  if (via !== undefined) {
    const network = await openNetwork(job, via);
    const board = host === undefined ? network.board : resolveBoard(host, inventory);
    const bmp = network.bmp === undefined ? undefined : `${network.bmp.host}:${network.bmp.port}`;
    return { ...board, port: options.port ?? board.port, bmp, open: network.open, network };
  }
  const said = host ?? process.env["SPINN_HOST"] ?? inventory?.default;
  if (said === undefined || said === "") {
    throw usage("no board is named", "give --host HOST, set SPINN_HOST, or name a default in the inventory (spinn help boards)");
  }
  if (options.host === undefined && !told.has(job)) {
    told.add(job);
    job.say(`board ${said} (from ${process.env["SPINN_HOST"] === undefined ? inventoryPath() : "SPINN_HOST"})`);
  }
  const board = resolveBoard(said, inventory);
  return { ...board, port: options.port ?? board.port, open: undefined, network: undefined };
}

/** `host`, `host:port`, or a name of the inventory. Throws `ERR_SPINN_ARGUMENT` for a port that is none. */
export function resolveBoard(text: string, inventory: Inventory | undefined): BoardAddress {
  const known = inventory?.boards.get(text);
  if (known !== undefined) return known;
  const match = /^([^:\s]+)(?::(.*))?$/.exec(text);
  if (match === null) throw usage(`"${text}" is no address of a board`, "write a name or an IPv4 address, with :port behind it if need be");
  return { host: match[1]!, port: match[2] === undefined ? undefined : parsePort(match[2]), bmp: undefined };
}

/** Where named boards are kept. */
export function inventoryPath(): string {
  const base = process.env["XDG_CONFIG_HOME"] ?? join(homedir(), ".config");
  return process.env["SPINN_BOARDS"] ?? join(base, "spinn", "boards.yaml");
}

/** Runs `work` with a connection to the board that is meant, and closes it. With `--verbose` its counters are told at the end. */
export async function withBoard<T>(job: Job, command: Command, work: (board: Transceiver) => Promise<T>): Promise<T> {
  const { host, port, open } = await chooseBoard(job, command);
  const { timeout } = command.opts<BoardOptions>();
  const waiting = setTimeout(() => job.terminal.progress.note(`waiting for ${host} to answer`), 500);
  let board: Transceiver;
  try {
    board = await Transceiver.connect({ host, port, open, signal: job.signal, ...(timeout === undefined ? {} : { probeMs: timeout }) });
  } finally {
    clearTimeout(waiting);
    job.terminal.progress.clear();
  }
  try {
    return await work(board);
  } finally {
    if (job.isVerbose) for (const connection of board.connections) job.say(countersLine(connection.remote, connection.pipeline.counters));
    await board.close();
  }
}

/** What happened on a connection; the causes of trouble are named when there was any. */
function countersLine(remote: string, counters: PipelineCounters): string {
  const { sent, received, roundTripMs, window } = counters;
  const causes = ["resent", "timeouts", "retryCodeResent", "duplicates", "late", "unknown", "foreign", "malformed", "refusals"] as const;
  const trouble = causes.filter((name) => counters[name] > 0).map((name) => `, ${name} ${counters[name]}`);
  const trip = roundTripMs === undefined ? "" : `, round trip ${roundTripMs.toFixed(2)} ms`;
  return `${remote}: sent ${sent}, received ${received}, window ${window}${trip}${trouble.join("")}`;
}
