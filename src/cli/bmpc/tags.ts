import { isIPv4 } from "node:net";
import type { CommandTable } from "../shell/command.js";
import { tubePort } from "../shell/ports.js";
import type { BmpcSession } from "./session.js";

const HEAD =
  "Tag   IP address      Port   T/O   Flags      Count\n" + //
  "---   ----------      ----   ---   -----      -----\n";
const [IN_USE, TRANSIENT, RESOLVING] = [0x8000, 0x4000, 0x2000];

export const TAGS: CommandTable<BmpcSession> = {
  iptag: {
    usage: "[<host.P> [<port.D> [<tag.D>]] | - [<tag.D>]]",
    purpose: "Show the BMP's IP tags, set one (tag 0 gets its text), or clear one with -",
    parse(words) {
      if (words.left === 0) {
        return async (session) => {
          const bmp = await session.bmp();
          const { timeoutCode, poolSize, fixedSize } = await bmp.readTagPool(session.board, session.calls);
          const seconds = timeoutCode === 0 ? 0 : 2 ** (timeoutCode - 1) / 100;
          const tags = await bmp.listIpTags(session.board, session.calls);
          session.out(`IPTags=${poolSize + fixedSize} (F=${fixedSize}, T=${poolSize}), TTO=${seconds}s\n\n${HEAD}`);
          for (const tag of tags.filter(({ inUse }) => inUse)) {
            const flags = IN_USE | (tag.transient ? TRANSIENT : 0) | (tag.resolving ? RESOLVING : 0);
            const place = `${String(tag.tag).padStart(3)}  ${(tag.host ?? "0.0.0.0").padEnd(15)}  ${String(tag.port).padStart(5)}`;
            const rest = `${String(tag.timeoutTicks / 100).padEnd(4)}  ${flags.toString(16)}  ${String(tag.packetsSent).padStart(10)}`;
            session.out(`${place}  ${rest}\n`);
          }
        };
      }
      const host = words.text("host");
      if (host === "-") {
        const tag = words.left === 0 ? 0 : words.decimal("tag", 0, 7);
        return async (session) => (await session.bmp()).clearIpTag(session.board, tag, session.calls);
      }
      if (!isIPv4(host)) throw words.wrong(`host: "${host}" is no IPv4 address`);
      const port = words.left === 0 ? tubePort : words.decimal("port", 1, 65535);
      const tag = words.left === 0 ? 0 : words.decimal("tag", 0, 7);
      return async (session) => (await session.bmp()).setIpTag(session.board, tag, host, port, session.calls);
    },
  },
};
