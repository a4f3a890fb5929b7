import { CoreState, coreStateName, parseCoreState, parseSignal, signalName } from "../../machine/index.js";
import type { CoreStatus } from "../../transceiver/index.js";
import { type Method, once, repeatable, run } from "../method.js";
import { bool, bytes, chip, core, cores, int, list, optional, parsed, seconds } from "../parameter.js";

const APP_ID = int("Application id, 1 to 255.", 1, 255);
const STATES = list("Names of states, e.g. RUN or EXIT.", parsed("", parseCoreState));
const TIMEOUT = optional(seconds("Seconds to wait.", 7 * 86_400), 60);
const CORE_RESULT = "{x, y, p, state, state_name, app_id, app_name, run_time_error, registers, ...}";

const named = (one: CoreStatus) => ({ ...one, stateName: coreStateName(one.state) });

/** Applications: loading, signals, states, text. */
export const APPLICATION_METHODS: Readonly<Record<string, Method>> = {
  load: run("change", {
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
  signal: once("change", {
    about: "Sends a signal to an application.",
    parameters: { app_id: APP_ID, signal: parsed("START, SYNC0, PAUSE, ... or its number.", parseSignal) },
    result: "the signal's name",
    call: async (board, { app_id: appId, signal: which }, { signal }) => {
      await (await board.machine()).sendSignal(which, { appId, signal });
      return signalName(which);
    },
  }),
  stop: repeatable("change", {
    about: "Ends an application and gives back what it took.",
    parameters: { app_id: APP_ID },
    result: "None",
    call: async (board, { app_id: appId }, { signal }) => (await board.machine()).stop(appId, { signal }),
  }),
  states: repeatable("look", {
    about: "How many cores of an application are in each state.",
    parameters: { app_id: APP_ID },
    result: "{state: count}",
    call: async (board, { app_id: appId }, { signal }) => {
      const counts = await (await board.machine()).countStates(appId, { signal });
      return Object.fromEntries([...counts].sort(([a], [b]) => a - b).map(([state, count]) => [coreStateName(state), count]));
    },
  }),
  wait_for: run("change", {
    about: "Waits until so many cores of an application are in one of some states; fails at once when one crashes.",
    parameters: {
      app_id: APP_ID,
      states: STATES,
      count: int("Cores.", 1, 1_000_000),
      timeout: TIMEOUT,
    },
    result: "None",
    call: async (board, { app_id: appId, states, count, timeout }, { signal }) =>
      (await board.machine()).waitForCount(count, states, { appId, timeoutMs: timeout, signal }),
  }),
  wait_for_cores: run("change", {
    about: "Waits until each of some cores is in one of some states; fails at once when one crashes.",
    parameters: { cores, states: STATES, app_id: APP_ID, timeout: TIMEOUT },
    result: "None",
    call: async (board, { cores: where, states, app_id: appId, timeout }, { signal }) =>
      (await board.machine()).waitForCores(where, states, { appId, timeoutMs: timeout, signal }),
  }),
  status: repeatable("look", {
    about: "Status of the cores of a chip: state, application, and for a crash why and where.",
    parameters: { chip },
    result: `[${CORE_RESULT}], cores without life left out`,
    call: async (board, { chip: where }, { signal }) => {
      const all = await (await board.machine()).readChipStatus(where, { signal });
      const alive = all.filter(({ state }) => state !== CoreState.DEAD);
      return alive.map(named);
    },
  }),
  core_status: repeatable("look", {
    about: "Status of one core, with what it left when it crashed.",
    parameters: { core },
    result: CORE_RESULT,
    call: async (board, { core: where }, { signal }) => named(await (await board.machine()).readCoreStatus(where, { signal })),
  }),
  application: repeatable("look", {
    about: "Status of every core of an application on the whole machine.",
    parameters: { app_id: APP_ID },
    result: `[${CORE_RESULT}]`,
    call: async (board, { app_id: appId }, { signal }) => (await (await board.machine()).readApplication(appId, { signal })).map(named),
  }),
  iobuf: repeatable("look", {
    about: "The text that cores have written.",
    parameters: { cores },
    result: "{'x,y,p': text}",
    call: async (board, { cores: where }, { signal }) => {
      const texts = await (await board.machine()).readIobufs(where, { signal, maxBytes: 1024 * 1024 });
      return Object.fromEntries(texts.map(({ x, y, p, text: own }) => [`${x},${y},${p}`, own]));
    },
  }),
};
