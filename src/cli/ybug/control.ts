import { setTimeout as sleep } from "node:timers/promises";
import { SpinnError } from "../../errors.js";
import { type CommandTable, hex8 } from "./command.js";
import { dumpBytes, dumpWords } from "./memory.js";

/** Bytes of a reply before its payload. */
const REPLY_HEAD = 14;
const SHOWN = 256;

const nothing = { usage: "", parse: () => async () => {} } as const;

/** What steers the run itself, or talks to the board in the raw. `@`, `help` and `?` are the interpreter's own. */
export const CONTROL: CommandTable = {
  echo: {
    usage: "<text.S>",
    purpose: "Print text; \\n ends a line",
    parse(words) {
      const text = words.rest().replaceAll("\\n", "\n");
      return async (session) => session.out(text);
    },
  },
  sleep: {
    usage: "[<secs.R>]",
    purpose: "Wait for so many seconds (default: 1)",
    parse(words) {
      const seconds = words.left === 0 ? 1 : words.seconds("time");
      return async (session) => {
        try {
          await sleep(seconds * 1000, undefined, { signal: session.signal });
        } catch (cause) {
          throw new SpinnError("ERR_SPINN_ABORTED", "interrupted while asleep", { cause });
        }
      };
    },
  },
  timeout: {
    usage: "[<secs.R>]",
    purpose: "Show or set how long a packet may stay unanswered before it is sent again",
    parse(words) {
      const seconds = words.left === 0 ? undefined : words.seconds("time");
      return async (session) => {
        if (seconds !== undefined) await session.setTimeoutSeconds(seconds);
        session.out(`Timeout ${session.timeoutSeconds}\n`);
      };
    },
  },
  debug: {
    usage: "[<num.D>]",
    purpose: "Show or set the debug level; from 1 on the transport's counters follow each command",
    parse(words) {
      const level = words.left === 0 ? undefined : words.decimal("level", 0, 4);
      return async (session) => {
        session.debugLevel = level ?? session.debugLevel;
        session.out(`Debug ${session.debugLevel}\n`);
      };
    },
  },
  p2p_route: {
    usage: "[on|off]",
    purpose: "Show or set whether packets travel on to the selected chip; off: the chip with the Ethernet serves them",
    parse(words) {
      const on = words.left === 0 ? undefined : words.choice("state", ["on", "off"]) === "on";
      return async (session) => {
        if (on === undefined) session.out(`Flags 0x${hex8(session.flags).slice(6)}\n`);
        else session.isRouted = on;
      };
    },
  },
  cmd: {
    usage: "<cmd.D> [<arg1.X> [<arg2.X> [<arg3.X>]]]",
    purpose: "Send any command once, and show what the answer holds",
    parse(words) {
      const command = words.decimal("command", 0, 255);
      const [arg1, arg2, arg3] = ["arg1", "arg2", "arg3"].map((name) => (words.left === 0 ? 0 : words.hex(name)));
      return async (session) => {
        const board = await session.board();
        const fields = { command, ...(await session.core()), arg1: arg1!, arg2: arg2!, arg3: arg3! };
        const decode = (datagram: Uint8Array): Uint8Array => datagram.subarray(REPLY_HEAD);
        const describe = (): string => `command ${command}`;
        const request = { ...fields, repeatable: false, minReply: 0, maxReply: 272, decode, describe };
        const answer = await board.call(request, session.calls);
        session.out(answer.length % 4 === 0 ? dumpWords(0, answer) : dumpBytes(0, answer));
      };
    },
  },
  srom_read: {
    usage: "[<addr.X>]",
    purpose: `Show ${SHOWN} bytes of the serial ROM`,
    parse(words) {
      const at = words.left === 0 ? 0 : words.hex("address", 0xffffff);
      return async (session) => {
        const board = await session.board();
        session.out(dumpBytes(at, await board.readSerialRom(await session.chip(), at, SHOWN, session.calls)));
      };
    },
  },
  expert: { ...nothing, purpose: "Nothing: every command is at hand from the start" },
  version: { ...nothing, purpose: "Nothing: spinn --version shows it" },
  quit: { usage: "", purpose: "End the script or the prompt", parse: () => async () => "quit" },
};
