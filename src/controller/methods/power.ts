import { type Method, once, repeatable, run } from "../method.js";
import { bool, int, list, oneOf, optional, seconds } from "../parameter.js";

const BOARDS = list("Slots of boards in their frame, 0 to 23.", int("", 0, 23));
const BOARD = optional(int("Slot of the board.", 0, 23), 0);
const FPGA = int("FPGA, 0 to 2.", 0, 2);
const FPGA_ADDRESS = int("Byte address of the register, a multiple of 4.", 0, 0xffffffff);

/** What the board management processor does: supplies, resets, sensors, FPGAs. */
export const POWER_METHODS: Readonly<Record<string, Method>> = {
  bmp_info: repeatable("look", {
    about: "The BMP of a board: version, and the serial number of its processor.",
    parameters: { board: BOARD },
    result: "{name, hardware, version, frame, can_id, board, code_block, build_date, serial: {hardware_version, serial, ...}}",
    call: async (board, { board: slot }, { signal }) => {
      const bmp = await board.bmp();
      return { ...(await bmp.readVersion(slot, { signal })), serial: await bmp.readSerial(slot, { signal }) };
    },
  }),
  list_boards: repeatable("look", {
    about: "Slots of the frame whose BMP answers.",
    parameters: {},
    result: "[int]",
    call: async (board, _, { signal }) => (await board.bmp()).listBoards({ signal }),
  }),
  sensors: repeatable("look", {
    about: "Voltages, temperatures and fans of a board, from its BMP.",
    parameters: { board: BOARD },
    result: "{voltage12a, ..., temperature_top, temperature_bottom, fans, warnings, shutdowns}; V and degrees Celsius",
    call: async (board, { board: slot }, { signal }) => (await board.bmp()).readSensors(slot, { signal }),
  }),
  power_on: run("disturb", {
    about: "Switches boards on and looks whether they came up. Resets machines that run on them.",
    parameters: { boards: BOARDS, settle: optional(seconds("Seconds to wait before looking.", 60), 5) },
    result: "None",
    call: async (board, { boards, settle }, { signal }) => {
      await (await board.bmp()).powerOn(boards, { settleMs: settle, signal });
      await board.drop();
    },
  }),
  power_off: repeatable("disturb", {
    about: "Switches boards off.",
    parameters: { boards: BOARDS },
    result: "None",
    call: async (board, { boards }, { signal }) => {
      await (await board.bmp()).powerOff(boards, { signal });
      await board.drop();
    },
  }),
  reset_boards: once("disturb", {
    about: "Resets boards: their machines must be booted again.",
    parameters: {
      boards: BOARDS,
      action: optional(oneOf("What to do.", ["pulse", "hold", "release"]), "pulse"),
      fpgas: optional(bool("Reset the FPGAs too."), false),
    },
    result: "None",
    call: async (board, { boards, action, fpgas }, { signal }) => {
      await (await board.bmp()).reset(boards, action, { fpgas, signal });
      await board.drop();
    },
  }),
  board_leds: once("change", {
    about: "Switches LEDs of boards, 0 to 7; 7 is the red one.",
    parameters: {
      boards: BOARDS,
      leds: list("Numbers of LEDs, 0 to 7.", int("", 0, 7)),
      action: oneOf("What to do.", ["on", "off", "invert"]),
    },
    result: "None",
    call: async (board, { boards, leds, action }, { signal }) =>
      (await board.bmp()).setLeds(boards, Object.fromEntries(leds.map((led) => [led, action])), { signal }),
  }),
  read_fpga: repeatable("look", {
    about: "Reads registers of an FPGA.",
    parameters: { fpga: FPGA, address: FPGA_ADDRESS, board: BOARD, count: optional(int("Registers, 1 to 64.", 1, 64), 1) },
    result: "[int], 32 bits each",
    call: async (board, { board: slot, fpga, address, count }, { signal }) =>
      (await board.bmp()).readFpga(slot, fpga, address, count, { signal }),
  }),
  write_fpga: once("disturb", {
    about: "Writes registers of an FPGA: the links of the board go through it.",
    parameters: {
      fpga: FPGA,
      address: FPGA_ADDRESS,
      values: list("Values, 32 bits each, 64 at most.", int("", 0, 0xffffffff)),
      board: BOARD,
    },
    result: "None",
    call: async (board, { board: slot, fpga, address, values }, { signal }) =>
      (await board.bmp()).writeFpga(slot, fpga, address, values, { signal }),
  }),
};
