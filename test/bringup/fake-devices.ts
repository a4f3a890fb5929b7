import type { BringupBmp, BringupDevices, BringupMachine } from "../../src/bringup/index.js";
import { SpinnError, throwIfAborted } from "../../src/errors.js";
import { type CoreCoordinates, CoreState, formatCore, Machine, MachineGeometry } from "../../src/machine/index.js";

/** A board of 48 chips that does what it is told and writes down what that was. Just enough behaviour for a script to see consequences. */
export class FakeBoard {
  readonly calls: string[] = [];
  powered = false;
  booted = false;
  bootSignature = 0;
  /** Opened and not closed. */
  open = 0;
  readonly memory = new Map<number, number>();
  readonly states = new Map<string, number>();
  readonly texts = new Map<string, string>();
  user0 = 0x60240000;
  /** Called with each call's words before it is done: throw to fail, wait to be slow. */
  before: (call: string) => void | Promise<void> = () => undefined;

  get devices(): BringupDevices {
    return {
      connect: async ({ host, signal }) => {
        await this.#call(`connect ${host}`, signal);
        if (!this.booted) throw new SpinnError("ERR_SPINN_TIMEOUT", `${host} does not answer`, { hint: "boot it first" });
        this.open += 1;
        return this.#machine(host);
      },
      connectBmp: async ({ host, signal }) => {
        await this.#call(`connect BMP ${host}`, signal);
        this.open += 1;
        return this.#bmp(host);
      },
      boot: async (image, { host, signal, boardVersion, onProgress }) => {
        await this.#call(`boot ${host} with ${image.length} bytes as version ${boardVersion}`, signal);
        onProgress?.({ what: "boot", done: 1, total: 1, unit: "packets" });
        if (!this.powered) throw new SpinnError("ERR_SPINN_BOOT", `${host} did not come up`, { hint: "is it powered?" });
        const alreadyBooted = this.booted;
        this.booted = true;
        if (!alreadyBooted) this.bootSignature += 1;
        return { version: VERSION, alreadyBooted, attempts: alreadyBooted ? 0 : 1 };
      },
    };
  }

  async #call(words: string, signal: AbortSignal | undefined): Promise<void> {
    throwIfAborted(signal);
    this.calls.push(words);
    await this.before(words);
    throwIfAborted(signal);
  }

  #bmp(remote: string): BringupBmp {
    const version = { ...VERSION, name: "BC&MP", version: { major: 2, minor: 1, patch: 2 }, codeBlock: 1, frame: 0, canId: 0, board: 0 };
    return {
      version,
      remote,
      powerOn: async (boards, options) => {
        await this.#call(`power on ${boards}`, options?.signal);
        this.powered = true;
        this.booted = false;
      },
      powerOff: async (boards, options) => {
        await this.#call(`power off ${boards}`, options?.signal);
        this.powered = false;
        this.booted = false;
      },
      setLeds: (boards, actions, options) => this.#call(`board LEDs ${boards} ${JSON.stringify(actions)}`, options?.signal),
      close: async () => {
        this.open -= 1;
      },
    };
  }

  #machine(remote: string): BringupMachine {
    const act = (words: string, signal: AbortSignal | undefined): Promise<void> => this.#call(words, signal);
    return {
      version: VERSION,
      remote,
      discover: async (options) => {
        await act("discover", options?.signal);
        const chips = [...MachineGeometry.spin5().chips()].map((chip) => ({ ...CHIP, ...chip }));
        return { machine: new Machine(8, 8, { x: 0, y: 0 }, chips), problems: [] };
      },
      readMemory: async ({ x, y, p }, address, length, options) => {
        await act(`read ${length} at ${address.toString(16)} on ${[x, y, p].filter((n) => n !== undefined)}`, options?.signal);
        return Uint8Array.from({ length }, (_, i) => this.memory.get(address + i) ?? 0);
      },
      writeMemory: async ({ x, y }, address, data, options) => {
        await act(`write ${[...data]} at ${address.toString(16)} on ${x},${y}`, options?.signal);
        data.forEach((byte, i) => {
          this.memory.set(address + i, byte);
        });
      },
      readCoreField: async (core, name, options) => {
        await act(`${name} of ${formatCore(core)}`, options?.signal);
        return this.user0;
      },
      readSystemVariable: async (_chip, name) => {
        if (name !== "boot_sig") throw new Error(name);
        return this.bootSignature;
      },
      load: async (image, cores, { appId, wait, signal }) => {
        const all = [...cores];
        await act(`load ${image.length} bytes on ${all.length} cores as app ${appId}${wait === true ? ", wait" : ""}`, signal);
        for (const core of all) this.states.set(formatCore(core), wait === true ? CoreState.WAIT : CoreState.RUN);
        return { cores: all.length, sizeBytes: image.length, refills: 0 };
      },
      sendSignal: async (signal, { appId, signal: ends }) => {
        await act(`signal ${signal} to ${appId}`, ends);
        if (signal !== 3) return;
        for (const core of this.states.keys()) {
          this.states.set(core, CoreState.EXIT);
          this.texts.set(core, `hello from ${core}\n`);
        }
      },
      stop: async (appId, options) => {
        await act(`stop ${appId}`, options?.signal);
        this.states.clear();
      },
      waitForCores: async (cores, states, options) => {
        await act(`wait for ${[...cores].length} cores in ${states}`, options.signal);
      },
      waitForCount: async (count, states, options) => {
        await act(`wait for any ${count} cores in ${states}`, options.signal);
      },
      readApplication: async (appId, options) => {
        await act(`cores of ${appId}`, options?.signal);
        return [...this.states].map(([core, state]) => ({ ...STATUS, ...coreOf(core), state, appId }));
      },
      readIobufs: async (cores, options) => {
        const all = [...cores];
        await act(`text of ${all.length} cores`, options?.signal);
        return all.map(({ x, y, p }) => ({ x, y, p, text: this.texts.get(`${x},${y},${p}`) ?? "" }));
      },
      loadRoutes: async ({ x, y }, entries, options) => {
        await act(`routes ${JSON.stringify(entries)} on ${x},${y} for ${options.appId}`, options.signal);
        return 1;
      },
      setIpTag: (tag, { host, port, strip }, options) =>
        act(`tag ${tag} to ${host}:${port}${strip === true ? " strip" : ""}`, options?.signal),
      setReverseIpTag: (tag, reverse, options) => act(`reverse tag ${tag} ${JSON.stringify(reverse)}`, options?.signal),
      setLeds: ({ x, y }, actions, options) => act(`LEDs of ${x},${y} ${JSON.stringify(actions)}`, options?.signal),
      close: async () => {
        this.open -= 1;
      },
    };
  }
}

const VERSION = {
  virtualCore: 0,
  physicalCore: 0,
  x: 0,
  y: 0,
  ready: true,
  name: "SC&MP",
  hardware: "SpiNNaker",
  version: { major: 4, minor: 0, patch: 0 },
  bufferSize: 256,
  buildDate: 1_700_000_000,
};

const CHIP = {
  coreCount: 18,
  coreStates: [],
  links: 0x3f,
  ethernet: undefined,
  nearestEthernet: { x: 0, y: 0 },
  parentLink: undefined,
  largestSdramBlock: 1,
  largestSysramBlock: 1,
  freeRouterEntries: 1023,
  virtualToPhysical: undefined,
};

const STATUS = {
  physicalCore: 1,
  appName: "hello",
  runTimeError: undefined,
  registers: {},
  softwareErrors: { count: 0, line: 0, fileAddress: 0 },
  startTime: 0,
  iobufAddress: 0,
  user: [],
};

function coreOf(words: string): CoreCoordinates {
  const [x, y, p] = words.split(",").map(Number);
  return { x: x!, y: y!, p: p! };
}
