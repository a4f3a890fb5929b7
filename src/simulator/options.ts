import { checkInteger, SpinnError } from "../errors.js";
import { MachineGeometry } from "../machine/index.js";
import { SCP_PORT } from "../wire/index.js";
import type { Programs } from "./core-program.js";
import type { FAULT_PRESETS, Faults } from "./faults.js";
import { firmware } from "./firmware.js";
import { type DeadParts, MachineNetwork } from "./network.js";
import type { Timeline, TimelineStep } from "./timeline.js";

/** How a simulated machine is made. */
export interface SimulatedMachineOptions {
  /**
   * A board of 4 chips, one of 48, a torus of triads (three 48-chip boards each), or a machine of a size in chips with its edges open: 12k + 4 in
   * each direction, e.g. 16 x 16 for three boards. Default `spin5`.
   */
  readonly board?: "spin3" | "spin5" | { readonly triads: readonly [number, number] } | { readonly open: readonly [number, number] };
  /** IPv4 address of the first board; further boards take the next ones. Default `127.0.0.1`. */
  readonly host?: string;
  /**
   * IPv4 address of the BMP of the first board; further ones take the next addresses. Only 48-chip boards have a BMP.
   * Default: 128 addresses after the board, e.g. `127.0.0.129`; with `port: 0` the address of the board and a port of its own.
   */
  readonly bmpHost?: string;
  /** UDP port of SCP on every board; 0 takes any free one. Default 17893, the firmware's. */
  readonly port?: number;
  /** UDP port of the boot ROM of each board. Default 54321, the ROM's; with `port: 0` any free one. */
  readonly bootPort?: number;
  /** Version of SC&MP that answers until an image says otherwise. Default `4.0.0`. */
  readonly scamp?: string;
  /** Whether the boards have their supply from the start; without it they are not booted. Default `true`. */
  readonly powered?: boolean;
  /** Whether the machine is booted from the start. Default `true`. */
  readonly booted?: boolean;
  /** Whether core 0 answers errors as RC_OK without data. Default: as the firmware does (4.0.0 does). */
  readonly maskErrors?: boolean;
  /** Faults, or the name of some: see {@link FAULT_PRESETS}. Default none. */
  readonly faults?: Faults | keyof typeof FAULT_PRESETS;
  /** What happens to the machine as time passes: faults, power, resets. The clock runs from the start. Default nothing. */
  readonly timeline?: Timeline;
  /** Told of each step of a timeline when it happens, with its place in the list. */
  readonly onStep?: (step: TimelineStep, index: number) => void;
  /** Seed of the faults. Default 1. */
  readonly seed?: number;
  /** Parts that do not work. Default none. */
  readonly dead?: DeadParts;
  /** Multiplies the delays of boot and power: 1 is the firmware's own pace (about 4.5 s), 0.01 suits tests. Default 1. */
  readonly timeScale?: number;
  /** What cores run. Default: an application that reaches state RUN and does nothing. */
  readonly programs?: Programs;
  /** Records every datagram of the boards in this file, for Wireshark. Default: nothing is recorded. */
  readonly record?: string;
  /**
   * Where the boot ROM of each unbooted board sends its hello, every 4.096 s, until a host speaks to it; from then on to that host. The hardware
   * broadcasts it to port 54321. Default: nowhere.
   */
  readonly helloTo?: { readonly host: string; readonly port: number };
  /** Ends the machine. */
  readonly signal?: AbortSignal;
}

/** Checks options before anything is opened; gives the machine's geometry. Throws `ERR_SPINN_ARGUMENT`. */
export function checkOptions(options: SimulatedMachineOptions): MachineGeometry {
  const geometry = geometryOf(options.board ?? "spin5");
  checkInteger("port", options.port ?? SCP_PORT, 0, 65535);
  checkInteger("bootPort", options.bootPort ?? 0, 0, 65535);
  checkInteger("seed", options.seed ?? 1, 0, 0xffffffff);
  firmware(options.scamp ?? "4.0.0");
  new MachineNetwork(geometry, options.dead);
  if (options.timeScale !== undefined && !(options.timeScale >= 0 && options.timeScale <= 1000)) {
    throw new SpinnError("ERR_SPINN_ARGUMENT", `timeScale must be a number from 0 to 1000, not ${String(options.timeScale)}`);
  }
  return geometry;
}

function geometryOf(board: NonNullable<SimulatedMachineOptions["board"]>): MachineGeometry {
  if (board === "spin3") return MachineGeometry.spin3();
  if (board === "spin5") return MachineGeometry.spin5();
  if (typeof board === "object" && "triads" in board && Array.isArray(board.triads) && board.triads.length === 2) {
    return MachineGeometry.triads(board.triads[0], board.triads[1]);
  }
  if (typeof board === "object" && "open" in board && Array.isArray(board.open) && board.open.length === 2) {
    const [width, height] = board.open as [number, number];
    if (width % 12 === 4 && height % 12 === 4) return MachineGeometry.fromSize(width, height);
    throw new SpinnError("ERR_SPINN_ARGUMENT", `no machine with open edges is ${width} x ${height} chips`, {
      hint: "both are 12k + 4, from 16 on: 16 x 16 is three boards, 28 x 16 six",
    });
  }
  throw new SpinnError("ERR_SPINN_ARGUMENT", `no such board: ${JSON.stringify(board)}`, {
    hint: 'boards are "spin3", "spin5", { triads: [width, height] } and { open: [width, height] }',
  });
}
