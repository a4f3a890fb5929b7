import { lookup } from "node:dns/promises";
import { isIPv4 } from "node:net";
import { SpinnError } from "../../errors.js";
import type { TagEntry } from "../../transceiver/index.js";
import { type CommandTable, hex8 } from "../shell/command.js";
import type { YbugSession } from "./session.js";

const COLUMNS =
  "Tag    IP address    TxPort RxPort  T/O   Flags    Addr    Port      Count\n" +
  "---    ----------    ------ ------  ---   -----    ----    ----      -----\n";

export const TAGS: CommandTable<YbugSession> = {
  iptag: {
    usage: "[<tag.D> clear | <tag.D> set|strip <host.P> <port.D> | <tag.D> reverse <port.D> <address.X> <port.X>]",
    purpose: "Show IP tags, or set and clear one; host . is this computer",
    parse(words) {
      if (words.left === 0) {
        return async (session) => {
          const board = await session.board();
          const where = { ethernet: await session.chip(), ...session.calls };
          const { timeoutCode, poolSize, fixedSize } = await board.readTagPool(where);
          const seconds = timeoutCode === 0 ? 0 : 2 ** (timeoutCode - 1) / 100;
          const tags = (await board.listIpTags(where)).filter(({ inUse }) => inUse);
          session.out(`IPTags=${poolSize + fixedSize} (F=${fixedSize}, T=${poolSize}), TTO=${seconds}s\n\n${COLUMNS}`);
          session.out(tags.map(tagText).join(""));
        };
      }
      const tag = words.decimal("tag", 0, 7);
      const action = words.choice("action", ["set", "strip", "reverse", "clear"]);
      if (action === "clear") {
        return async (session) => (await session.board()).clearIpTag(tag, { ethernet: await session.chip(), ...session.calls });
      }
      if (action === "reverse") {
        const port = words.decimal("port", 1, 65535);
        const address = words.hex("address", 0xffff);
        const destination = words.hex("destination port", 0xff);
        const core = { x: address >> 8, y: address & 255, p: destination & 31 };
        if (core.p > 17) throw words.wrong(`destination port ${destination.toString(16)} names core ${core.p}, and 17 is the last`);
        if (destination >> 5 === 0)
          throw words.wrong(`destination port ${destination.toString(16)} names SDP port 0: write 20 for port 1 of core 0`);
        return async (session) => {
          const reverse = { ...core, port, sdpPort: destination >> 5 };
          await (await session.board()).setReverseIpTag(tag, reverse, { ethernet: await session.chip(), ...session.calls });
        };
      }
      const host = words.text("host");
      const port = words.decimal("port", 1, 65535);
      return async (session) => {
        const to = host === "." ? undefined : await addressOf(host);
        const destination = { host: to, port, strip: action === "strip" };
        await (await session.board()).setIpTag(tag, destination, { ethernet: await session.chip(), ...session.calls });
      };
    },
  },
};

/** IPv4 address of a host. Throws `ERR_SPINN_UNREACHABLE` for a name that nobody knows. */
async function addressOf(host: string): Promise<string> {
  if (isIPv4(host)) return host;
  try {
    return (await lookup(host, { family: 4 })).address;
  } catch (cause) {
    throw new SpinnError("ERR_SPINN_UNREACHABLE", `the name ${host} is not known`, {
      hint: "write an IPv4 address, or . for this computer",
      cause,
    });
  }
}

function tagText(tag: TagEntry): string {
  const flags = [tag.transient && "T", tag.resolving && "A", tag.reverse && "R", tag.strip && "S"]
    .filter((flag) => flag !== false)
    .join("");
  const { x, y, p, sdpPort } = tag.destination;
  const address = hex8((x << 8) | y).slice(4);
  const port = hex8((sdpPort << 5) | p).slice(6);
  const numbers = [tag.port, tag.rxPort].map((value) => String(value).padStart(5)).join("  ");
  const rest = `${String(tag.timeoutTicks / 100).padEnd(4)}  ${flags.padEnd(4)}   0x${address}    0x${port} ${String(tag.packetsSent).padStart(10)}`;
  return `${String(tag.tag).padStart(3)}  ${(tag.host ?? "0.0.0.0").padEnd(15)}  ${numbers}  ${rest}\n`;
}
