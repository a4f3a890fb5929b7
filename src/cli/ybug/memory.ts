import { checkAddressRange, type Link } from "../../machine/index.js";
import { type CommandTable, hex8 } from "../shell/command.js";
import { dumpWords, pack, SHOWN, unpack } from "../shell/dump.js";
import { memoryCommands } from "../shell/memory.js";
import type { Words } from "../shell/words.js";
import type { YbugSession } from "./session.js";

/** An address of a word, with so many bytes of memory behind it. */
function address(words: Words, length: number): number {
  const at = words.hex("address");
  if (at % 4 !== 0) throw words.wrong(`address ${hex8(at)} is no multiple of 4`);
  checkAddressRange(at, length);
  return at;
}

export const MEMORY: CommandTable<YbugSession> = {
  ...memoryCommands<YbugSession>({
    check: (at, length) => void checkAddressRange(at, length),
    read: async (session, at, length) => (await session.board()).readMemory(await session.core(), at, length, session.calls),
    write: async (session, at, bytes) => (await session.board()).writeMemory(await session.core(), at, bytes, session.calls),
    fill: async (session, at, length, word) => (await session.board()).fillMemory(await session.core(), at, length, word, session.calls),
  }),
  lw: {
    usage: "<link.X> <addr.X> [<data.X>]",
    purpose: "Read or write one word of the neighbour over a link",
    parse(words) {
      const link = words.hex("link", 5) as Link;
      const at = address(words, 4);
      const data = words.left === 0 ? undefined : words.hex("data");
      return async (session) => {
        const board = await session.board();
        const chip = await session.chip();
        if (data !== undefined) return await board.writeLinkMemory(chip, link, at, pack(data, 4), session.calls);
        const [value] = unpack(await board.readLinkMemory(chip, link, at, 4, session.calls), 4);
        session.out(`${hex8(at)} = ${hex8(value!)}\n`);
      };
    },
  },
  lmemw: {
    usage: "<link.D> <addr.X>",
    purpose: `Show ${SHOWN} bytes of the neighbour's memory as words`,
    parse(words) {
      const link = words.decimal("link", 0, 5) as Link;
      const at = address(words, SHOWN);
      return async (session) => {
        const board = await session.board();
        session.out(dumpWords(at, await board.readLinkMemory(await session.chip(), link, at, SHOWN, session.calls)));
      };
    },
  },
};
