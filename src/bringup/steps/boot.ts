import { checkInteger } from "../../errors.js";
import { SV } from "../../machine/index.js";
import { mapOf, optional, required } from "../kind.js";
import { stepKind } from "../step.js";
import { inputFile, integer, time, word } from "../values.js";

/** Bytes of sv that the boot image holds start values for. */
const START_VALUES = 128;

export const boot = stepKind({
  about: "Boots the machine; a booted one is left as it is",
  main: "image",
  fields: {
    image: required(inputFile, "Boot image: scamp.boot of spinnaker_tools, SpiNNMan or rig"),
    version: optional(integer("board version", 0, 5), "Version of the board, 1 to 5; 0 leaves it to the serial ROM. Default: 0"),
    variables: optional(
      mapOf(word, "system variables and their start values", (name) => {
        const field = SV.field(name);
        checkInteger(`offset of sv.${name} (only the first half of sv is set by booting)`, field.offset, 0, START_VALUES - 1);
      }),
      "Start values of system variables, e.g. { soft_wdog: 0 }. Default: those of the image",
    ),
    ready: optional(time, "How long one attempt may take until the machine knows its place. Default: 10s"),
    settle: optional(time, "Silence expected after the image has started. Default: 2s"),
    attempts: optional(integer("number of attempts", 1, 10), "Times the image is sent. Default: 3"),
  },
  needs: () => ["board"],
  files: ({ image }) => [{ file: image, as: "boot image" }],
  describe: ({ image }) => `boot with ${image.input}`,
  async run({ image, version, variables, ready, settle, attempts }, { access, signal, onProgress, file }) {
    await access.forgetMachine("it was being booted");
    const options = { boardVersion: version, systemVariables: variables, readyMs: ready, settleMs: settle, attempts };
    const result = await access.devices.boot(file(image), { ...access.board, ...options, signal, onProgress });
    await access.forgetMachine("it is booted");
    const { major, minor, patch } = result.version.version;
    const firmware = `${result.version.name} ${major}.${minor}.${patch}`;
    return { firmware, alreadyBooted: result.alreadyBooted, attempts: result.attempts };
  },
});
