import type { Command } from "commander";
import { SpinnError } from "../errors.js";
import { BMPTransceiver } from "../transceiver/index.js";
import { inventoryPath, parsePort, parseTimeout, resolveBoard } from "./board.js";
import { readInventory } from "./inventory.js";
import type { Job } from "./job.js";
import { parseInteger } from "./number.js";
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
 * Opens a connection to the BMP that is meant. What switches boards must be named: neither SPINN_HOST, nor SPINN_VIA, nor a default is enough.
 */
export async function openBmp(job: Job, command: Command): Promise<BMPTransceiver> {
  const options = command.opts<BmpOptions>();
  const inventory = await readInventory(inventoryPath());
  const via = options.via === undefined ? undefined : await viaOf(command, []);
  const network = via === undefined ? undefined : await openNetwork(job, via);
  if (network !== undefined && network.bmp === undefined && options.bmp === undefined) {
    throw usage(`the controller ${options.via} knows no BMP of its board`, "start it with spinn serve --bmp HOST");
  }
  const own = network?.bmp === undefined ? undefined : `${network.bmp.host}:${network.bmp.port}`;
  const named = options.bmp ?? own ?? (options.host === undefined ? undefined : inventory?.boards.get(options.host)?.bmp);
  if (named === undefined) {
    throw usage("no BMP is named", "give --bmp HOST, or --via CONTROLLER; its address is usually the board's minus one in the last octet");
  }
  const { host, port } = resolveBoard(named, inventory);
  const probe = options.timeout === undefined ? {} : { probeMs: options.timeout };
  return await BMPTransceiver.connect({ host, port: options.port ?? port, open: network?.open, signal: job.signal, ...probe });
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

/** Says what will happen and asks whether to go on. Without a terminal, or when the answer is no, nothing is done: status 8. */
export async function confirm(job: Job, what: string, yes: boolean | undefined): Promise<void> {
  if (yes) return;
  if (!job.terminal.isInteractive) {
    throw new SpinnError("ERR_SPINN_REFUSED", `${what}, and there is no terminal to ask on`, { hint: "if you mean it, add --yes" });
  }
  const { createInterface } = await import("node:readline/promises");
  const line = createInterface({ input: process.stdin, output: process.stderr });
  try {
    const answer = await line.question(`${what}. Go on? [y/N] `, { signal: job.signal });
    if (/^y(es)?$/i.test(answer.trim())) return;
  } catch (cause) {
    // Ctrl-C at a prompt arrives here and not as a signal: the terminal is in raw mode.
    throw new SpinnError("ERR_SPINN_ABORTED", "interrupted; nothing was sent", { cause });
  } finally {
    line.close();
  }
  throw new SpinnError("ERR_SPINN_REFUSED", "the answer was no: nothing was sent");
}
