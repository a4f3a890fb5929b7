import type { Command } from "commander";
import type { OpenChannel } from "../connections/index.js";
import { SpinnError } from "../errors.js";
import { BMPTransceiver } from "../transceiver/index.js";
import { ReturnCode } from "../wire/index.js";
import { inventoryPath, parsePort, parseTimeout, resolveBoard } from "./board.js";
import { plural } from "./format.js";
import { readInventory } from "./inventory.js";
import type { Job } from "./job.js";
import { parseInteger } from "./number.js";
import { ExitStatus } from "./status.js";
import { usage } from "./usage.js";
import { addViaOption, openNetwork, viaOf } from "./via.js";

interface BmpOptions {
  readonly bmp?: string;
  readonly host?: string;
  readonly port?: number;
  readonly timeout?: number;
  readonly via?: string;
}

export function addBmpOptions(command: Command): Command {
  return addViaOption(command, "else this computer's own network")
    .option(
      "--bmp <host>",
      "board management processor: address, name or host:port (default: that of --host in the inventory, or of --via)",
    )
    .option("--host <host>", "a board of the inventory whose BMP is meant")
    .option("--port <n>", "UDP port of the BMP (default: 17893)", parsePort)
    .option("--timeout <time>", "how long it may stay silent before it is taken for absent (default: 3s)", parseTimeout);
}

/**
 * Which BMP is meant: `--bmp` (an address, or a board of the inventory whose BMP it is), else that of `--via`'s board, else that of `--host` in
 * the inventory. What switches boards must be named: neither SPINN_HOST, nor SPINN_VIA, nor a default is enough. Throws `ERR_SPINN_ARGUMENT`.
 */
export async function chooseBmp(
  job: Job,
  command: Command,
): Promise<{ readonly host: string; readonly port: number | undefined; readonly open: OpenChannel | undefined }> {
  const options = command.opts<BmpOptions>();
  const inventory = await readInventory(inventoryPath());
  const via = options.via === undefined ? undefined : await viaOf(command, []);
  const network = via === undefined ? undefined : await openNetwork(job, via);
  if (network !== undefined && network.bmp === undefined && options.bmp === undefined) {
    throw usage(`the controller ${options.via} knows no BMP of its board`, "start it with spinn serve --bmp HOST");
  }
  const own = network?.bmp === undefined ? undefined : `${network.bmp.host}:${network.bmp.port}`;
  const board = inventory?.boards.get(options.bmp ?? options.host ?? "");
  const named = options.bmp === undefined ? (own ?? board?.bmp) : (board?.bmp ?? options.bmp);
  if (named === undefined) {
    throw usage("no BMP is named", "give --bmp HOST, or --via CONTROLLER; its address is usually the board's minus one in the last octet");
  }
  const { host, port } = resolveBoard(named, inventory);
  return { host, port: options.port ?? port, open: network?.open };
}

/** Opens a connection to the BMP that is meant. */
export async function openBmp(job: Job, command: Command): Promise<BMPTransceiver> {
  const { timeout } = command.opts<BmpOptions>();
  return await BMPTransceiver.connect({ ...(await chooseBmp(job, command)), signal: job.signal, probeMs: timeout });
}

/** Boards of a frame: `0`, `0-5`, `0-5+8`, `0,2`. Throws `ERR_SPINN_ARGUMENT`. */
export function parseSlots(text: string): number[] {
  const slots = new Set<number>();
  for (const part of text.split(/[+,]/)) {
    const [low, high = low, ...rest] = part.split("-");
    if (rest.length > 0 || low === "" || high === "") throw usage(`slots: "${part}" is no slot and no range`, "write 0, 0-5 or 0-5+8");
    const from = parseInteger("slot", low!, 0, 23);
    const to = parseInteger("slot", high!, 0, 23);
    if (to < from) throw usage(`slots: the range ${part} runs backwards`);
    for (let slot = from; slot <= to; slot += 1) slots.add(slot);
  }
  return [...slots].sort((a, b) => a - b);
}

/** A board of a frame that did not do what it was asked. */
export interface MuteSlot {
  readonly slot: number;
  readonly why: string;
}

/** Asks one slot after the other: one that is mute or refuses does not hide the others. */
export async function eachSlot<T>(job: Job, slots: readonly number[], work: (slot: number) => Promise<T>) {
  const done: T[] = [];
  const failed: MuteSlot[] = [];
  for (const slot of slots) {
    try {
      done.push(await work(slot));
    } catch (error) {
      if (!(error instanceof SpinnError) || job.signal.aborted) throw error;
      failed.push({ slot, why: whyMute(error) });
    }
  }
  return { done, failed };
}

/** Slots of a frame in which there is a board: those whose BMP answers, and those that are known and do not. */
export async function listSlots(job: Job, bmp: BMPTransceiver): Promise<{ readonly slots: number[]; readonly failed: MuteSlot[] }> {
  const all = Array.from({ length: SLOTS }, (_, slot) => slot);
  const { done, failed } = await eachSlot(job, all, async (slot) => {
    await bmp.readVersion(slot, { signal: job.signal });
    return slot;
  });
  // "No route" is the answer for a place with no board in it.
  return { slots: done, failed: failed.filter(({ why }) => why !== NO_BOARD) };
}

/** Says which slots failed. Resolves with the status: some of them, or all. */
export function muteStatus(job: Job, slots: readonly unknown[], failed: readonly MuteSlot[]): number {
  if (failed.length === 0) return ExitStatus.DONE;
  const list = failed.map(({ slot, why }) => `${slot} (${why})`).join(" ");
  job.terminal.complain(`${failed.length} of ${plural(slots.length, "slot")} failed: ${list}`);
  return failed.length === slots.length ? ExitStatus.TARGET_REFUSED : ExitStatus.PARTIAL;
}

const SLOTS = 24;
const NO_BOARD = "no board there";

function whyMute(error: SpinnError): string {
  if (error.code === "ERR_SPINN_RETURN_CODE" && error.returnCode === ReturnCode.ROUTE) return NO_BOARD;
  return error.code === "ERR_SPINN_TIMEOUT" ? "no answer" : error.message;
}
