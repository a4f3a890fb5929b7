import { Option } from "commander";
import type { ArmMachine, GdbServer } from "../emulator/index.js";
import type { Job } from "./job.js";
import { parseInteger } from "./number.js";

/** `--gdb [port]`: `true` without a port. */
export type GdbChoice = number | true;

export function gdbOption(): Option {
  return new Option(
    "--gdb [port]",
    "let gdb-multiarch attach to the cores, over TCP on 127.0.0.1; each core is a thread of it (default port: any free one)",
  ).argParser((text) => parseInteger("--gdb", text, 0, 65535));
}

/** Serves gdb and says how to attach; nothing without the option. Throws `ERR_SPINN_ADDRESS_IN_USE`. */
export async function serveGdb(
  job: Job,
  machine: ArmMachine,
  choice: GdbChoice | undefined,
  elf: string | undefined,
): Promise<GdbServer | undefined> {
  if (choice === undefined) return undefined;
  const { GdbServer } = await import("../emulator/index.js");
  const server = await GdbServer.listen(machine, { port: choice === true ? 0 : choice });
  job.say(`attach with: gdb-multiarch ${elf ?? "app.elf"} -ex "target remote 127.0.0.1:${server.port}"`);
  return server;
}
