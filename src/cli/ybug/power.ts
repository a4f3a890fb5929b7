import { stat } from "node:fs/promises";
import { join } from "node:path";
import { SpinnError } from "../../errors.js";
import { type BootOverrides, type BootResult, Transceiver } from "../../transceiver/index.js";
import { readInputFile } from "../file.js";
import type { CommandTable } from "../shell/command.js";
import { tubePort } from "../shell/ports.js";
import { versionText } from "../version-text.js";
import type { YbugSession } from "./session.js";

/** The file itself, or the one of that name in the folders of SPINN_PATH, as ybug looks for it. */
async function findFile(name: string): Promise<string> {
  const folders = (process.env["SPINN_PATH"] ?? "").split(":").filter((folder) => folder !== "");
  for (const path of [name, ...folders.map((folder) => join(folder, name))]) {
    const found = await stat(path).catch(() => undefined);
    if (found?.isFile()) return path;
  }
  return name;
}

/** Start values of system variables: a name and a number on each line, `#` begins a comment. Throws `ERR_SPINN_FILE`. */
export function parseBootConfiguration(text: string, file: string): BootOverrides {
  const values: Record<string, number> = {};
  for (const [index, raw] of text.split(/\r?\n/).entries()) {
    const line = raw.replace(/#.*/, "").trim();
    if (line === "") continue;
    const match = /^([A-Za-z_]\w*)\s+(0x[0-9a-f]+|\d+|time)$/i.exec(line);
    if (match === null)
      throw new SpinnError("ERR_SPINN_FILE", `${file}:${index + 1}: "${line}" is no name and number`, {
        hint: "a line reads: led0 0x00000001",
      });
    values[match[1]!] = match[2] === "time" ? Math.floor(Date.now() / 1000) : Number(match[2]);
  }
  return values;
}

/** Boots a board that is silent. `undefined`: it was booted already, and no image was looked for. */
async function bootSilent(session: YbugSession, image: string, configuration: string | undefined): Promise<BootResult | undefined> {
  try {
    await session.board();
    return undefined;
  } catch (error) {
    if (!(error instanceof SpinnError) || error.code !== "ERR_SPINN_TIMEOUT") throw error;
  }
  const bytes = await readInputFile(await findFile(image), "boot image");
  const file = configuration === undefined ? undefined : await findFile(configuration);
  const text = file === undefined ? "" : new TextDecoder().decode(await readInputFile(file, "boot configuration"));
  const systemVariables = parseBootConfiguration(text, file ?? "");
  session.job.leftBehind = "the board may have a part of the image: switch it off and on before booting it again";
  const result = await Transceiver.boot(bytes, {
    ...session.endpoint,
    bootPort: session.bootPort,
    probeMs: 1,
    systemVariables,
    ...session.calls,
  });
  session.job.leftBehind = undefined;
  return result;
}

/** What changes whether there is a machine at all. */
export const POWER: CommandTable<YbugSession> = {
  boot: {
    usage: "[<boot_file.F>] [<conf_file.F>]",
    purpose: "Boot the machine; a booted one is left as it is",
    parse(words) {
      const image = words.optional() ?? "scamp.boot";
      const configuration = words.optional();
      return async (session) => {
        const booted = await bootSilent(session, image, configuration);
        const board = await session.board();
        const { machine, problems } = await board.discover(session.calls);
        for (const problem of problems) session.job.terminal.complain(`# ${problem}`);
        if (booted === undefined) session.out("Warning: Already booted.\n");
        else await board.setIpTag(0, { host: undefined, port: tubePort }, session.calls);
        session.out(`Booted ${board.version.name} ${versionText(board.version)} on ${machine.chips.size} chips\n`);
      };
    },
  },
  power: {
    usage: "on|off",
    purpose: "Switch the board on or off, through its BMP",
    parse(words) {
      const action = words.choice("action", ["on", "off"]);
      return (session) =>
        session.withBmp(async (bmp, slots) => {
          if (action === "on") await bmp.powerOn(slots, { signal: session.signal });
          else await bmp.powerOff(slots, { signal: session.signal });
        });
    },
  },
  reset: {
    usage: "",
    purpose: "Reset the board, through its BMP",
    parse: () => (session) => session.withBmp((bmp, slots) => bmp.reset(slots, "pulse", { signal: session.signal })),
  },
};
