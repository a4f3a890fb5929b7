import type { Command } from "commander";
import type { SiliconMachineOptions } from "../simulator/index.js";
import { readInputFile } from "./file.js";
import { plural } from "./format.js";
import { type GdbChoice, serveGdb } from "./gdb.js";
import type { Job } from "./job.js";
import { ended, named } from "./simulated.js";
import { usage } from "./usage.js";

/** What a machine of either kind is made of. */
export type MachineOptions = Omit<SiliconMachineOptions, "image" | "speed" | "bootSpeed" | "engine" | "onFailure" | "signal">;

/** Options of `spinn simulate` that speak of the played machine alone. */
const PLAYED_ONLY = ["scamp", "faults", "seed", "cores", "control", "hello", "unbooted"] as const;

/**
 * `spinn simulate --firmware`: a machine of emulated chips, booted from an image or waiting for one. Throws `ERR_SPINN_ARGUMENT` for
 * options that only the played machine has, `ERR_SPINN_FILE` for an image that is none.
 */
export async function simulateFirmware(
  job: Job,
  command: Command,
  file: string | undefined,
  options: MachineOptions,
  speed: number | undefined,
  gdb: GdbChoice | undefined,
): Promise<void> {
  const foreign = PLAYED_ONLY.find((name) => command.getOptionValue(name) !== undefined);
  if (foreign !== undefined) {
    const hint = foreign === "unbooted" ? "leave out the image: --firmware alone waits for one" : "the firmware is what its image makes it";
    throw usage(`--${foreign} does not go with --firmware`, hint);
  }
  const image = file === undefined ? undefined : await readInputFile(file, "boot image");
  const { firmwareOfImage, SiliconMachine } = await import("../simulator/index.js");
  let failed: (error: unknown) => void = () => undefined;
  const failure = new Promise<never>((_, reject) => {
    failed = reject;
  });
  failure.catch(() => undefined);
  await using machine = await SiliconMachine.start({
    ...options,
    signal: job.signal,
    onFailure: failed,
    ...(speed === undefined ? {} : { speed }),
    ...(image === undefined || options.powered === false ? {} : { image }),
  });
  await using debug = await serveGdb(job, machine.machine, gdb, undefined);
  const boards = machine.boards.map(({ address }) => `${address.host}:${address.port}`);
  const bmps = machine.bmps.map(({ address }) => `${address.host}:${address.port}`);
  const boot = `${machine.bootAddress.host}:${machine.bootAddress.port}`;
  const chips = machine.network.chips.length;
  const boots = image !== undefined && options.powered !== false;
  if (boots) {
    job.say(`booting ${plural(chips, "chip")} from ${file}`);
    await Promise.race([machine.ready, failure]);
  }
  const state = boots ? "booted" : options.powered === false ? "no power" : "not booted";
  const scamp = image === undefined ? null : (firmwareOfImage(image) ?? null);
  job.result(
    {
      ready: true,
      chips,
      state,
      scamp,
      boards,
      boot,
      bmps,
      control: null,
      gdb: debug === undefined ? null : `127.0.0.1:${debug.port}`,
      firmware: file ?? null,
    },
    () => {
      const words = boots ? `SC&MP ${scamp ?? "of unknown version"} on emulated chips` : `${state}, emulated chips, boot ROM ${boot}`;
      return `ready: ${plural(chips, "chip")}, ${words}, ${named("board", boards)}${named(", BMP", bmps)}\n`;
    },
  );
  await Promise.race([ended(job), failure]);
  job.say("stopped");
}
