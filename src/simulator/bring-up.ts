import type { ChipCoordinates, MachineGeometry } from "../machine/index.js";
import { deliverPacket } from "./applications.js";
import { type Assembly, deadIn, isSame } from "./assembly.js";
import type { Board } from "./board.js";
import type { Clock } from "./clock.js";
import { monitorCommands } from "./commands/index.js";
import type { Firmware } from "./firmware.js";
import { Multicast } from "./multicast.js";
import { type DeadParts, MachineNetwork } from "./network.js";
import type { SimulatedMachineOptions } from "./options.js";
import { Scamp } from "./scamp.js";
import { startValues } from "./start-values.js";
import { System } from "./system.js";
import { octets } from "./tags.js";

export interface BringUp {
  readonly whole: MachineGeometry;
  readonly assembly: Assembly;
  readonly boards: readonly Board[];
  readonly firmware: Firmware;
  /** What the host's boot block says; `undefined`: what spinnaker_tools says. */
  readonly startValues: Uint8Array | undefined;
  readonly clock: Clock;
  readonly options: SimulatedMachineOptions;
  readonly dead: readonly DeadParts[];
}

/** Makes a system of the boards of an assembly, with its monitors and its packets, and plugs the boards into it. Its network is not up yet. */
export function bringUp({ whole, assembly, firmware, clock, options, ...more }: BringUp): System {
  const { geometry, place } = assembly;
  const network = new MachineNetwork(geometry, deadIn(whole, assembly, more.dead), firmware.countsBoards, assembly.root);
  const boards = more.boards
    .filter(({ home }) => assembly.boards.some((ethernet) => isSame(ethernet, home)))
    .map((board) => ({ board, chip: place(board.home)! }));
  const boardOf = (chip: ChipCoordinates): Board | undefined => byChip.get(chipNumber(chip));
  const byChip = new Map(boards.map(({ board, chip }) => [chipNumber(chip), board]));
  const system = new System({
    network,
    firmware,
    startValues: more.startValues ?? startValues(whole.board, Math.floor(Date.now() / 1000)),
    clock,
    bootTime: clock.now(),
    programs: options.programs ?? {},
    addresses: geometry.ethernetChips.map((chip) => octets(boardOf(chip)?.address.host ?? "0.0.0.0")),
    timeScale: options.timeScale ?? 1,
  });
  const root = boardOf(network.root)!;
  new Scamp(system, monitorCommands, (reason) => {
    root.counters.dropped[reason] += 1;
  });
  const multicast = new Multicast(system, deliverPacket);
  system.multicast = (chip, key, payload, fixed) => multicast.send(chip, key, payload, fixed);
  system.transmit = (chip, bytes) => boardOf(chip)?.transmit(bytes);
  system.board = boardOf;
  for (const { board, chip } of boards) {
    board.boot.stop();
    if (network.hasChip(chip.x, chip.y)) board.attach(system, chip);
  }
  return system;
}

function chipNumber({ x, y }: ChipCoordinates): number {
  return (x << 8) | y;
}
