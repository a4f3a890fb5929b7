import type { Language } from "../shell/command.js";
import { memoryCommands } from "../shell/memory.js";
import { BOARDS } from "./boards.js";
import { FPGAS } from "./fpgas.js";
import { checkBmpRange } from "./memory-map.js";
import { SECTOR } from "./sector.js";
import type { BmpcSession } from "./session.js";
import { STORES } from "./stores.js";
import { TAGS } from "./tags.js";

const FIRMWARE = "rewrites the BMP's own firmware, and a BMP that loses it needs its maker: use bmpc itself, with the board on your desk";

/** The commands of bmpc. Source: spinnaker_tools `tools/bmpc`. */
export const BMPC: Language<BmpcSession> = {
  name: "bmpc",
  commands: {
    ...BOARDS,
    ...memoryCommands<BmpcSession>({
      check: checkBmpRange,
      read: async (session, at, length) => (await session.bmp()).readMemory(session.board, at, length, session.calls),
      write: async (session, at, bytes) => (await session.bmp()).writeMemory(session.board, at, bytes, session.calls),
      fill: async (session, at, length, word) => (await session.bmp()).fillMemory(session.board, at, length, word, session.calls),
      halvesPerLine: 16,
    }),
    ...FPGAS,
    ...SECTOR,
    ...STORES,
    ...TAGS,
  },
  leftOut: {
    spin: "ends bmpc without a word; spinn ybug talks to the board itself",
    flash_write: FIRMWARE,
    flash_erase: FIRMWARE,
  },
};
