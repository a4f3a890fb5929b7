import { basename, join } from "node:path";
import { loadScript, runBringup } from "../bringup/index.js";
import { SpinnError } from "../errors.js";
import { CoreState, coreStateName, formatChip, parseCoreState, parseRoutingTable, parseSignal, signalName } from "../machine/index.js";
import { Transceiver } from "../transceiver/index.js";
import { type Method, once, repeatable, run } from "./method.js";
import { bool, bytes, chip, cores, int, list, oneOf, optional, parsed, seconds, text } from "./parameter.js";

const ADDRESS = int("Address, 0 to 0xffffffff.", 0, 0xffffffff);
const APP_ID = int("Application id, 1 to 255.", 1, 255);
const BOARDS = list("Slots of boards in their frame, 0 to 23.", int("", 0, 23));
/** Most bytes one call may move: some seconds of a board's time, and far below what a Python client takes in one line. */
const MAX_CALL_BYTES = 16 * 1024 * 1024;

/** Everything the controller can do with a board, by name. Names, parameters and results are the same through every door. */
export const METHODS: Readonly<Record<string, Method>> = {
  info: repeatable({
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
  discover: repeatable({
    about: "Finds out what the machine is: its size, chips, links, dead parts. About 0.1 s per board.",
    parameters: {},
    result: "{width, height, root, chips: {'x,y': {core_count, core_states, links, ethernet, ...}}, problems: [text]}",
    call: async (board, _, { signal }) => {
      const { machine, problems } = await (await board.machine()).discover({ signal });
      const chips = Object.fromEntries([...machine.chips.values()].map((one) => [formatChip(one), one]));
      return { width: machine.width, height: machine.height, root: formatChip(machine.root), chips, problems };
    },
  }),
  read: repeatable({
    about: "Reads memory of a chip.",
    parameters: { chip, address: ADDRESS, length: int("Bytes, 16 MiB at most.", 0, MAX_CALL_BYTES) },
    result: "bytes",
    call: async (board, { chip: where, address, length }, { signal }) =>
      (await board.machine()).readMemory(where, address, length, { signal }),
  }),
  write: repeatable({
    about: "Writes memory of a chip.",
    parameters: { chip, address: ADDRESS, data: bytes("What to write, 16 MiB at most.", MAX_CALL_BYTES) },
    result: "None",
    call: async (board, { chip: where, address, data }, { signal }) =>
      (await board.machine()).writeMemory(where, address, data, { signal }),
  }),
  fill: run({
    about: "Fills memory of a chip with a word.",
    parameters: {
      chip,
      address: ADDRESS,
      length: int("Bytes, a multiple of 4.", 0, 0x8000000),
      word: optional(int("The word, 32 bits.", 0, 0xffffffff), 0),
    },
    result: "None",
    call: async (board, { chip: where, address, length, word }, { signal, onProgress }) =>
      (await board.machine()).fillMemory(where, address, length, word, { signal, onProgress }),
  }),
  load: run({
    about: "Loads an application on cores and sees that it started.",
    parameters: {
      image: bytes("The application, APLX format."),
      cores,
      app_id: APP_ID,
      wait: optional(bool("Cores stop in WAIT until the signal START."), false),
      force: optional(bool("Take cores away from what runs on them."), false),
    },
    result: "{cores, size_bytes, refills}",
    call: async (board, { image, cores: where, app_id: appId, wait, force }, { signal, onProgress }) =>
      (await board.machine()).load(image, where, { appId, wait, force, signal, onProgress }),
  }),
  signal: once({
    about: "Sends a signal to an application.",
    parameters: { app_id: APP_ID, signal: parsed("START, SYNC0, PAUSE, ... or its number.", parseSignal) },
    result: "the signal's name",
    call: async (board, { app_id: appId, signal: which }, { signal }) => {
      await (await board.machine()).sendSignal(which, { appId, signal });
      return signalName(which);
    },
  }),
  stop: repeatable({
    about: "Ends an application and gives back what it took.",
    parameters: { app_id: APP_ID },
    result: "None",
    call: async (board, { app_id: appId }, { signal }) => (await board.machine()).stop(appId, { signal }),
  }),
  states: repeatable({
    about: "How many cores of an application are in each state.",
    parameters: { app_id: APP_ID },
    result: "{state: count}",
    call: async (board, { app_id: appId }, { signal }) => {
      const counts = await (await board.machine()).countStates(appId, { signal });
      return Object.fromEntries([...counts].sort(([a], [b]) => a - b).map(([state, count]) => [coreStateName(state), count]));
    },
  }),
  wait_for: run({
    about: "Waits until so many cores of an application are in one of some states; fails at once when one crashes.",
    parameters: {
      app_id: APP_ID,
      states: list("Names of states, e.g. RUN or EXIT.", parsed("", parseCoreState)),
      count: int("Cores.", 1, 1_000_000),
      timeout: optional(seconds("Seconds to wait.", 7 * 86_400), 60),
    },
    result: "None",
    call: async (board, { app_id: appId, states, count, timeout }, { signal }) =>
      (await board.machine()).waitForCount(count, states, { appId, timeoutMs: timeout, signal }),
  }),
  status: repeatable({
    about: "Status of the cores of a chip: state, application, and for a crash why and where.",
    parameters: { chip },
    result: "[{x, y, p, state, state_name, app_id, app_name, run_time_error, registers, ...}], cores without life left out",
    call: async (board, { chip: where }, { signal }) => {
      const all = await (await board.machine()).readChipStatus(where, { signal });
      const alive = all.filter(({ state }) => state !== CoreState.DEAD);
      return alive.map((core) => ({ ...core, stateName: coreStateName(core.state) }));
    },
  }),
  iobuf: repeatable({
    about: "The text that cores have written.",
    parameters: { cores },
    result: "{'x,y,p': text}",
    call: async (board, { cores: where }, { signal }) => {
      const texts = await (await board.machine()).readIobufs(where, { signal, maxBytes: 1024 * 1024 });
      return Object.fromEntries(texts.map(({ x, y, p, text: own }) => [`${x},${y},${p}`, own]));
    },
  }),
  tags: repeatable({
    about: "The IP tags that are set on the board's Ethernet chip, without those lent to replies.",
    parameters: {},
    result: "[{tag, host, port, strip, reverse, rx_port, destination, ...}]",
    call: async (board, _, { signal }) =>
      (await (await board.machine()).listIpTags({ signal })).filter(({ inUse, transient }) => inUse && !transient),
  }),
  set_tag: repeatable({
    about: "Sends SDP of cores with this tag to a host.",
    parameters: {
      tag: int("Tag, 0 to 7.", 0, 7),
      host: text("IPv4 address.", 15),
      port: int("UDP port at the host.", 1, 65535),
      strip: optional(bool("Send the payload alone."), false),
    },
    result: "None",
    call: async (board, { tag, host, port, strip }, { signal }) => (await board.machine()).setIpTag(tag, { host, port, strip }, { signal }),
  }),
  clear_tag: repeatable({
    about: "Takes back an IP tag.",
    parameters: { tag: int("Tag, 0 to 15.", 0, 15) },
    result: "None",
    call: async (board, { tag }, { signal }) => (await board.machine()).clearIpTag(tag, { signal }),
  }),
  routes: repeatable({
    about: "The multicast routes of a chip.",
    parameters: { chip },
    result: "[{index, key, mask, links, cores, app_id}]",
    call: async (board, { chip: where }, { signal }) => (await board.machine()).readRoutes(where, { signal }),
  }),
  load_routes: once({
    about: "Adds multicast routes to a chip.",
    parameters: { chip, app_id: APP_ID, table: text("Routing table, one route a line, as spinn routes prints it.") },
    result: "index of the first route",
    call: async (board, { chip: where, app_id: appId, table }, { signal }) =>
      (await board.machine()).loadRoutes(where, parseRoutingTable(table), { appId, signal }),
  }),
  clear_routes: repeatable({
    about: "Removes all multicast routes of a chip.",
    parameters: { chip },
    result: "None",
    call: async (board, { chip: where }, { signal }) => (await board.machine()).clearRoutes(where, { signal }),
  }),
  router_counters: repeatable({
    about: "What the router of a chip has counted.",
    parameters: { chip },
    result: "{local_multicast, external_multicast, dropped_multicast, ...}",
    call: async (board, { chip: where }, { signal }) => (await board.machine()).readRouterCounters(where, { signal }),
  }),
  clear_router_counters: repeatable({
    about: "Sets the counters of a chip's router to zero.",
    parameters: { chip },
    result: "None",
    call: async (board, { chip: where }, { signal }) => (await board.machine()).clearRouterCounters(where, { signal }),
  }),
  leds: once({
    about: "Switches LEDs of a chip.",
    parameters: { chip, leds: list("Numbers of LEDs, 0 to 3.", int("", 0, 3)), action: oneOf("What to do.", ["on", "off", "invert"]) },
    result: "None",
    call: async (board, { chip: where, leds, action }, { signal }) =>
      (await board.machine()).setLeds(where, Object.fromEntries(leds.map((led) => [led, action])), { signal }),
  }),
  sensors: repeatable({
    about: "Voltages, temperatures and fans of a board, from its BMP.",
    parameters: { board: optional(int("Slot of the board.", 0, 23), 0) },
    result: "{voltage12a, ..., temperature_top, temperature_bottom, fans, warnings, shutdowns}; V and degrees Celsius",
    call: async (board, { board: slot }, { signal }) => (await board.bmp()).readSensors(slot, { signal }),
  }),
  power_on: run({
    about: "Switches boards on and looks whether they came up. Resets machines that run on them.",
    parameters: { boards: BOARDS, settle: optional(seconds("Seconds to wait before looking.", 60), 5) },
    result: "None",
    call: async (board, { boards, settle }, { signal }) => {
      await (await board.bmp()).powerOn(boards, { settleMs: settle, signal });
      await board.drop();
    },
  }),
  power_off: repeatable({
    about: "Switches boards off.",
    parameters: { boards: BOARDS },
    result: "None",
    call: async (board, { boards }, { signal }) => {
      await (await board.bmp()).powerOff(boards, { signal });
      await board.drop();
    },
  }),
  boot: run({
    about: "Boots the machine; does nothing to a booted one.",
    parameters: { image: bytes("The boot image, 32 KB at most.", 32 * 1024) },
    result: "{already_booted, attempts, version}",
    call: async (board, { image }, { signal, onProgress }) => {
      const { host, port, bootPort } = board.options;
      const { alreadyBooted, attempts, version } = await Transceiver.boot(image, { host, port, bootPort, signal, onProgress });
      await board.drop();
      return { alreadyBooted, attempts, version: version.version };
    },
  }),
  bringup: run({
    about: "Runs a bring-up script from the controller's folder. A pause takes effect between two steps.",
    parameters: {
      script: text("Name of a file in that folder.", 255),
      variables: optional(list('Values of its variables, "name=value".', parsed("", variableOf), 0), []),
    },
    result: "the report: {script, outcome, steps: [{step, kind, words, status, ...}], ...}",
    call: async (board, { script, variables }, { signal, onProgress, onStep, safePoint, scriptFolder }) => {
      const path = scriptPath(scriptFolder, script);
      const checked = await loadScript(path, { variables: Object.fromEntries(variables) });
      const { host, port, bootPort, bmp } = board.options;
      try {
        return await runBringup(checked, {
          board: { host, port, bootPort, bmp },
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
