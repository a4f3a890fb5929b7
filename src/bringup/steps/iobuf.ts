import { formatCore } from "../../machine/index.js";
import { optional, required } from "../kind.js";
import { coresWords, stepKind } from "../step.js";
import { appId, cores, outputFile } from "../values.js";

/** Text of one step that goes into the report, characters: reports are read by people. The rest belongs into a file. */
const REPORT_CHARACTERS = 65_536;

export const iobuf = stepKind({
  about: "Fetches what cores printed, into the report or a file",
  main: "cores",
  fields: {
    cores: required(cores, "Cores; @all for all of the application"),
    app: optional(appId, "Application whose cores @all means. Default: that of the script"),
    file: optional(outputFile, "File to write; each line begins with its core. Default: into the report"),
  },
  needs: () => ["board"],
  describe: ({ cores: selection }) => `fetch the text of ${coresWords(selection)}`,
  async run({ cores: selection, app, file }, { access, signal, onProgress, output, appId: usual }) {
    const machine = await access.machine();
    const chosen = selection === "all" ? await machine.readApplication(app ?? usual, { signal }) : selection;
    const texts = await machine.readIobufs(chosen, { signal, onProgress });
    const printed = texts.filter(({ text }) => text !== "");
    const counts = { cores: texts.length, printed: printed.length };
    if (file !== undefined) {
      const lines = printed.flatMap((core) =>
        core.text
          .replace(/\n$/, "")
          .split("\n")
          .map((line) => `${formatCore(core)}: ${line}\n`),
      );
      return { ...counts, file: await output(file, new TextEncoder().encode(lines.join(""))) };
    }
    let room = REPORT_CHARACTERS;
    const text: Record<string, string> = {};
    for (const core of printed) {
      if (room <= 0) break;
      text[formatCore(core)] = core.text.slice(0, room);
      room -= core.text.length;
    }
    return { ...counts, text, ...(room < 0 ? { cut: `the report holds ${REPORT_CHARACTERS} characters; name a file for all` } : {}) };
  },
});
