import { checkInteger } from "../../errors.js";
import { list, mapOf, optional, required } from "../kind.js";
import { stepKind } from "../step.js";
import { board, chip, oneOf } from "../values.js";

const actions = mapOf(oneOf("action", ["on", "off", "invert"]), "LEDs and what they shall do, e.g. { 0: on }", (name) => {
  checkInteger("LED", /^\d+$/.test(name) ? Number(name) : Number.NaN, 0, 15);
});

export const leds = stepKind({
  about: "Switches LEDs of a chip, or of boards through their BMP",
  fields: {
    set: required(actions, "LED number to on, off or invert"),
    chip: optional(chip, "The chip"),
    boards: optional(list(board, "board numbers, 0 to 23"), "Boards instead; 4 and 7 are free for use"),
  },
  needs: ({ boards }) => [boards === undefined ? "board" : "bmp"],
  check: ({ chip: place, boards }) => ((place === undefined) === (boards === undefined) ? 'give either "chip" or "boards"' : undefined),
  describe: ({ set }) =>
    `LEDs ${Object.entries(set)
      .map(([led, action]) => `${led} ${action}`)
      .join(", ")}`,
  async run({ set, chip: place, boards }, { access, signal }) {
    if (boards !== undefined) await (await access.bmp()).setLeds(boards, set, { signal });
    else await (await access.machine()).setLeds(place!, set, { signal });
    return {};
  },
});
