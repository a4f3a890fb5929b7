import { setTimeout as sleep } from "node:timers/promises";
import { SpinnError } from "../../errors.js";
import { SCP_MAX_DATA } from "../../wire/index.js";
import type { CommandTable } from "./command.js";
import { dumpBytes, dumpWords } from "./dump.js";

const nothing = { usage: "", parse: () => async () => {} } as const;

/** What steers the run itself, or sends packets in the raw. `@`, `help` and `?` are the interpreter's own. */
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
  cmd: {
    usage: "<cmd.D> [<arg1.X> [<arg2.X> [<arg3.X> [<byte.X>...]]]]",
    purpose: "Send any command once, and show what the answer holds",
    parse(words) {
      const command = words.decimal("command", 0, 255);
      const [arg1, arg2, arg3] = ["arg1", "arg2", "arg3"].map((name) => (words.left === 0 ? 0 : words.hex(name)));
      const bytes: number[] = [];
      while (words.left > 0 && bytes.length < SCP_MAX_DATA) bytes.push(words.hex("byte", 255));
      return async (session) => {
        const answer = await session.raw({ command, arg1: arg1!, arg2: arg2!, arg3: arg3!, data: Uint8Array.from(bytes) });
        session.out(answer.length % 4 === 0 ? dumpWords(0, answer) : dumpBytes(0, answer));
      };
    },
  },
  expert: { ...nothing, purpose: "Nothing: every command is at hand from the start" },
  version: { ...nothing, purpose: "Nothing: spinn --version shows it" },
  quit: { usage: "", purpose: "End the script or the prompt", parse: () => async () => "quit" },
};
