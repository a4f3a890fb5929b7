import { list, optional, required } from "../kind.js";
import { pause } from "../pause.js";
import { stepKind } from "../step.js";
import { board, flag, oneOf, time } from "../values.js";

/** How long a board stays off in a power cycle, ms: until its supplies have fallen. */
const OFF_MS = 2000;

export const power = stepKind({
  about: "Switches boards on or off through their BMP, and looks whether it worked",
  main: "state",
  fields: {
    state: required(oneOf("state", ["on", "off", "cycle"]), "on, off, or cycle: off, then on"),
    boards: optional(list(board, "board numbers, 0 to 23"), "Boards of the frame. Default: the slot of the board, else 0"),
    settle: optional(time, "Rest after power-on before the board is looked at. Default: 5s"),
    delay: optional(time, "Board n waits n times so long. Default: none"),
    check: optional(flag, "Whether to read supplies and FPGAs after power-on. Default: true"),
  },
  needs: () => ["bmp"],
  describe: ({ state, boards }) => `power ${state}${boards === undefined ? "" : ` for board ${boards.join(",")}`}`,
  async run({ state, boards: named, settle, delay, check }, { access, signal }) {
    const boards = named ?? [access.address.slot ?? 0];
    const bmp = await access.bmp();
    const { major, minor, patch } = bmp.version.version;
    if (state !== "on") {
      await bmp.powerOff(boards, { delayMs: delay, signal });
      await access.forgetMachine("it was switched off");
    }
    if (state === "cycle") await pause(OFF_MS, signal);
    if (state !== "off") {
      await access.forgetMachine(access.lastKnown);
      // Last before the command: from here on the next board's rest is counted.
      await access.powerTurn();
      access.lastKnown = "it was being switched on";
      await bmp.powerOn(boards, { delayMs: delay, settleMs: settle, check, signal });
      await access.forgetMachine("it is switched on and not booted");
    }
    return { bmp: `${bmp.version.name} ${major}.${minor}.${patch} at ${bmp.remote}`, boards, state };
  },
});
