import { Option } from "commander";
import type { ArmMachine } from "../emulator/index.js";
import { formatCore } from "../machine/index.js";
import type { Programs, SimulatedMachineOptions } from "../simulator/index.js";
import type { Job } from "./job.js";
import { parseInteger } from "./number.js";
import { usage } from "./usage.js";

export type BoardKind = NonNullable<SimulatedMachineOptions["board"]>;
export type CoreKind = "arm" | "stock" | "live";

export const BOARD_KINDS =
  "spin3 (4 chips), spin5 (48 chips), triads:WxH (a torus of 3 x W x H boards) or open:WxH (chips, e.g. 16x16, edges not joined)";

/** `spin3`, `spin5`, `triads:WxH` or `open:WxH`. Throws `ERR_SPINN_ARGUMENT`. */
export function parseBoard(text: string): BoardKind {
  if (text === "spin3" || text === "spin5") return text;
  const match = /^(triads|open):(\d+)x(\d+)$/.exec(text);
  if (match === null)
    throw usage(
      `--board: "${text}" is no machine`,
      "machines are spin3, spin5, triads:WxH, e.g. triads:1x1, and open:WxH, e.g. open:16x16",
    );
  if (match[1] === "open")
    return { open: [parseInteger("chips across", match[2]!, 16, 256), parseInteger("chips up", match[3]!, 16, 256)] };
  return { triads: [parseInteger("triads across", match[2]!, 1, 21), parseInteger("triads up", match[3]!, 1, 21)] };
}

export function coreKindOption(): Option {
  return new Option(
    "--cores <kind>",
    "what cores run: the loaded ARM binary (arm), an idle application (stock), or one that sends and takes live events, through tag 1 (live) (default: arm)",
  ).choices(["arm", "stock", "live"]);
}

/** The programs of a simulated machine; `machine` is where emulated cores join, a new one by default. */
export async function coresOf(kind: CoreKind, job: Job, machine?: ArmMachine): Promise<Programs> {
  if (kind === "stock") return {};
  if (kind === "live") {
    // Cores that fire 1000 events a second each, 100 atoms in turn, and take events on SDP port 1.
    const { liveEvents } = await import("../simulator/index.js");
    return () => liveEvents({ eventsPerStep: 1, prefix: 0 });
  }
  // Cores that execute what is loaded on them; what a program does that it must not is told on stderr.
  const { armProgram } = await import("../emulator/index.js");
  return armProgram({
    ...(machine === undefined ? {} : { machine }),
    onTrouble: ({ x, y, p, message }) => job.say(`core ${formatCore({ x, y, p })}: ${message}`),
  });
}

/** `board A`, `boards A B`, nothing for none. */
export function named(what: string, addresses: readonly string[]): string {
  if (addresses.length === 0) return "";
  return `${what}${addresses.length === 1 ? "" : "s"} ${addresses.join(" ")}`;
}

/** Until Ctrl-C or SIGTERM: the usual way to end it, so no error. */
export function ended(job: Job): Promise<void> {
  if (job.signal.aborted) return Promise.resolve();
  // A signal handler alone does not keep the process running, and a machine may have closed its sockets.
  const keepAlive = setInterval(() => {}, 1 << 30);
  return new Promise((resolve) => {
    job.signal.addEventListener(
      "abort",
      () => {
        clearInterval(keepAlive);
        resolve();
      },
      { once: true },
    );
  });
}
