import { Command } from "../../wire/index.js";
import { type CommandTable, hex8, type ShellCommand } from "../shell/command.js";
import type { YbugSession } from "./session.js";

// A nearest-neighbour packet that writes memory. Source: spinnaker_tools `scamp/scamp-nn.c` (nn_cmd_mem), `tools/ybug` (global_write).
const MEMORY_WRITE = 4 << 24;
/** A new packet id, and forwarding over all six links with the usual pause. */
const FORWARD = ((1 << 31) | (0x3f << 8) | 0xf8) >>> 0;
/** What such a packet can reach: 256 bytes each of the end of SysRAM (`sv`), the beginning of SysRAM, and the system controller. */
const AREAS = [0xf5007f00, 0xf5000000, 0xf2000000] as const;

const write = (size: 1 | 2 | 4, name: string, type: number): ShellCommand<YbugSession> => ({
  usage: "<addr.X> <data.X>",
  purpose: `Write one ${name} on every chip of the machine`,
  parse(words) {
    const at = words.hex("address");
    const data = words.hex("data", 256 ** size - 1);
    if (at % size !== 0) throw words.wrong(`address ${hex8(at)} is no multiple of ${size}`);
    const area = AREAS.findIndex((base) => at >= base && at < base + 256);
    if (area < 0)
      throw words.wrong(`address ${hex8(at)} is in none of ${AREAS.map((base) => `${hex8(base)}-${hex8(base + 255)}`).join(" ")}`);
    const key = MEMORY_WRITE | (type << 18) | (area << 16) | ((at & 255) << 8);
    return async (session) => {
      const { x, y } = (await session.board()).version;
      await session.rawTo({ x, y, p: 0 }, { command: Command.NNP, arg1: key, arg2: data, arg3: FORWARD });
    };
  },
});

export const WHOLE_MACHINE: CommandTable<YbugSession> = {
  gw: write(4, "word", 2),
  gh: write(2, "half-word", 1),
  gb: write(1, "byte", 0),
};
