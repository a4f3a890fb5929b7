import type { ChipCoordinates, MachineGeometry } from "../../machine/index.js";
import { SCP_PORT } from "../../wire/index.js";
import type { SimulatedMachineOptions } from "../options.js";
import { addressAfter } from "../port.js";
import { octets } from "../tags.js";
import { Bmp, type BmpSetup } from "./bmp.js";
import { BmpController } from "./controller.js";
import { blacklistOf } from "./factory.js";

const FRAME_SLOTS = 24;
/** Frame number of a board without backplane. */
const FRAME_ALONE = 240;
/** From the address of a board to that of its BMP, when nothing else is said. */
const ADDRESS_STEP = 128;

export interface FrameSetup extends Omit<BmpSetup, "frame"> {
  /** Switches the supply of the board with this number. */
  readonly power: (board: number, on: boolean) => void;
  /** Holds or lets go the reset line of the board with this number. */
  readonly reset: (board: number, held: boolean) => void;
}

/** Opens one BMP for each 48-chip board into `bmps`, 24 boards to a frame; a board alone has no backplane, a 4-chip board no BMP. */
export async function openBmps(
  bmps: Bmp[],
  options: Pick<SimulatedMachineOptions, "port" | "bmpHost" | "powered" | "dead">,
  boards: readonly { readonly chip: ChipCoordinates; readonly address: { readonly host: string; readonly port: number } }[],
  geometry: MachineGeometry,
  setup: FrameSetup,
): Promise<void> {
  if (geometry.board === "spin3") return;
  const alone = boards.length === 1;
  const anyPort = (options.port ?? SCP_PORT) === 0;
  const first = boards[0]!.address;
  const firstHost = options.bmpHost ?? (anyPort ? first.host : addressAfter(first.host, ADDRESS_STEP));
  const frames: (BmpController | undefined)[][] = [];
  for (const [index, board] of boards.entries()) {
    const number = Math.floor(index / FRAME_SLOTS);
    const start = number * FRAME_SLOTS;
    const host = addressAfter(firstHost, index);
    const identity = {
      frame: alone ? FRAME_ALONE : 1 + number,
      slot: index - start,
      ip: octets(host),
      boardIp: octets(board.address.host),
      hasBackplane: !alone,
    };
    const control = {
      power: (slot: number, on: boolean) => setup.power(start + slot, on),
      reset: (slot: number, held: boolean) => setup.reset(start + slot, held),
    };
    const blacklist = blacklistOf(geometry, board.chip, options.dead ?? {});
    const slots = Math.min(FRAME_SLOTS, boards.length - start);
    const controller = new BmpController(identity, slots, options.powered ?? true, control, blacklist);
    frames[number] ??= [];
    const frame = frames[number];
    frame[identity.slot] = controller;
    // With any free port the BMPs share one number among them, as the boards do.
    const port = anyPort ? (bmps[0]?.address.port ?? 0) : first.port;
    bmps.push(await Bmp.open(host, port, controller, { ...setup, frame }));
  }
}
