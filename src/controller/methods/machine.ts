import { basename, join } from "node:path";
import { devicesOver, loadScript, runBringup } from "../../bringup/index.js";
import { SpinnError } from "../../errors.js";
import { formatChip } from "../../machine/index.js";
import { findBoards, MAX_FOUND_BOARDS, Transceiver } from "../../transceiver/index.js";
import { BOOT_PORT } from "../../wire/index.js";
import { type Method, once, repeatable, run } from "../method.js";
import { bool, bytes, chip, int, list, oneOf, optional, parsed, seconds, target, text } from "../parameter.js";

/** The machine as a whole: what it is, and how it comes to life. */
export const MACHINE_METHODS: Readonly<Record<string, Method>> = {
  info: repeatable("look", {
    about: "Who answers: version of the monitor, address, and whether the machine is known.",
    parameters: {},
    result: "{name, hardware, version: {major, minor, patch}, remote, root, width, height, chips}; the last three None until discover",
    call: async (board) => {
      const transceiver = await board.machine();
      const { version, machine, remote } = transceiver;
      const size = { width: machine?.width, height: machine?.height, chips: machine?.chips.size };
      return { name: version.name, hardware: version.hardware, version: version.version, remote, root: formatChip(version), ...size };
    },
  }),
  discover: repeatable("look", {
    about: "Finds out what the machine is: its size, chips, links, dead parts. About 0.1 s per board.",
    parameters: {},
    result: "{width, height, root, chips: {'x,y': {core_count, core_states, links, ethernet, ...}}, problems: [text]}",
    call: async (board, _, { signal }) => {
      const { machine, problems } = await (await board.machine()).discover({ signal });
      const chips = Object.fromEntries([...machine.chips.values()].map((one) => [formatChip(one), one]));
      return { width: machine.width, height: machine.height, root: formatChip(machine.root), chips, problems };
    },
  }),
  version: repeatable("look", {
    about: "Asks a chip's monitor, or the run-time library of a core, for its version.",
    parameters: { place: target },
    result: "{name, hardware, version: {major, minor, patch}, build_date, x, y, p, ...}",
    call: async (board, { place }, { signal }) => (await board.machine()).readVersion(place, { signal }),
  }),
  find_boards: run("change", {
    about: "Listens, where the controller is, for boards that have power and are not booted.",
    parameters: {
      seconds: optional(seconds("Seconds to listen; boards speak every 4.1 s.", 3600), 6),
      until: optional(int("End as soon as so many boards were heard.", 1, MAX_FOUND_BOARDS), MAX_FOUND_BOARDS),
      address: optional(text("Own address to listen on.", 15), "0.0.0.0"),
      port: optional(int("UDP port they speak to.", 1, 65535), BOOT_PORT),
    },
    result: "[{host, rom, first_heard_ms}]",
    call: (_, { seconds: forMs, until, address, port }, { signal }) => findBoards({ forMs, until, localHost: address, port, signal }),
  }),
  leds: once("change", {
    about: "Switches LEDs of a chip.",
    parameters: { chip, leds: list("Numbers of LEDs, 0 to 3.", int("", 0, 3)), action: oneOf("What to do.", ["on", "off", "invert"]) },
    result: "None",
    call: async (board, { chip: where, leds, action }, { signal }) =>
      (await board.machine()).setLeds(where, Object.fromEntries(leds.map((led) => [led, action])), { signal }),
  }),
  serial_rom: repeatable("look", {
    about: "Reads the serial ROM beside an Ethernet chip: addresses of the board, its list of dead parts.",
    parameters: { chip, address: int("Address, 0 to 0xffffff.", 0, 0xffffff), length: int("Bytes.", 0, 65536) },
    result: "bytes",
    call: async (board, { chip: where, address, length }, { signal }) =>
      (await board.machine()).readSerialRom(where, address, length, { signal }),
  }),
  remap_core: once("disturb", {
    about: "Takes a core out of use until the next boot; all application cores of its chip restart.",
    parameters: { chip, core: int("Number of the core, 1 to 17.", 1, 17), numbering: oneOf("How it is counted.", ["virtual", "physical"]) },
    result: "None",
    call: async (board, { chip: where, core, numbering }, { signal }) => {
      await (await board.machine()).remapCore(where, core, numbering, { signal });
      await board.drop();
    },
  }),
  set_clock_sync: repeatable("change", {
    about: "Switches the beacons by which chips measure the drift of their clocks (SC&MP 4.0.0).",
    parameters: { on: bool("Whether they are sent.") },
    result: "None",
    call: async (board, { on }, { signal }) => (await board.machine()).setClockSync(on, { signal }),
  }),
  measure: run("change", {
    about: "Measures the way from the controller to a board: latency of single reads, throughput by window, losses. Only reads.",
    parameters: {
      chip: optional(chip, "255,255"),
      reads: optional(int("Single reads.", 1, 1_000_000), 500),
      bytes: optional(int("Bytes read with each window, 256 to 128 MiB.", 256, 0x8000000), 1 << 20),
    },
    result: "{board, latency, throughput: [{window, bytes_per_second, ...}], loss}",
    call: async (board, { chip: where, reads, bytes: size }, { signal, onProgress }) =>
      (await board.machine()).measure({ chip: where, reads, bytes: size, signal, onProgress }),
  }),
  boot: run("disturb", {
    about: "Boots the machine; does nothing to a booted one.",
    parameters: {
      image: bytes("The boot image, 32 KB at most.", 32 * 1024),
      settle: optional(seconds("Seconds of silence that are expected after the image.", 60), 2),
    },
    result: "{already_booted, attempts, version}",
    call: async (board, { image, settle }, { signal, onProgress }) => {
      const { host, port, bootPort, open } = board.options;
      const { alreadyBooted, attempts, version } = await Transceiver.boot(image, {
        host,
        port,
        bootPort,
        open,
        settleMs: settle,
        signal,
        onProgress,
      });
      await board.drop();
      return { alreadyBooted, attempts, version: version.version };
    },
  }),
  bringup: run("disturb", {
    about: "Runs a bring-up script from the controller's folder. A pause takes effect between two steps.",
    parameters: {
      script: text("Name of a file in that folder.", 255),
      variables: optional(list('Values of its variables, "name=value".', parsed("", variableOf), 0), []),
    },
    result: "the report: {script, outcome, steps: [{step, kind, words, status, ...}], ...}",
    call: async (board, { script, variables }, { signal, onProgress, onStep, safePoint, scriptFolder }) => {
      const path = scriptPath(scriptFolder, script);
      const checked = await loadScript(path, { variables: Object.fromEntries(variables) });
      const { host, port, bootPort, bmp, open } = board.options;
      try {
        return await runBringup(checked, {
          board: { host, port, bootPort, bmp },
          devices: devicesOver(open),
          outputFolder: scriptFolder,
          signal,
          beforeStep: safePoint,
          onProgress: (event) => {
            if (event.type === "step-start") onStep(`${event.step}: ${event.words}`);
            else if (event.type === "step-progress") onProgress(event.progress);
          },
        });
      } finally {
        await board.drop();
      }
    },
  }),
};

function variableOf(pair: string): readonly [string, string] {
  const at = pair.indexOf("=");
  if (at > 0) return [pair.slice(0, at), pair.slice(at + 1)];
  throw new SpinnError("ERR_SPINN_ARGUMENT", `"${pair}" is no variable`, { hint: "write name=value" });
}

/** A script of the controller's own folder: callers name files, and only there. */
function scriptPath(folder: string | undefined, name: string): string {
  if (folder === undefined) {
    throw new SpinnError("ERR_SPINN_REFUSED", "this controller has no folder of bring-up scripts", { hint: "start it with one" });
  }
  if (name === "" || name.startsWith(".") || basename(name) !== name || name.includes("\\") || name.includes("\0")) {
    throw new SpinnError("ERR_SPINN_ARGUMENT", `script must be the name of a file in the controller's folder, not ${JSON.stringify(name)}`);
  }
  return join(folder, name);
}
