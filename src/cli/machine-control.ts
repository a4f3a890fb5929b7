import { checkInteger, SpinnError } from "../errors.js";
import {
  type Client,
  describeTarget,
  type MethodDescription,
  type ParameterDescription,
  RemoteError,
  RpcServer,
} from "../services/rpc/index.js";
import type { Counters, FAULT_PRESETS, Faults, SimulatedMachine, Timeline } from "../simulator/index.js";
import { usage } from "./usage.js";

/** The target's name on the wire. */
export const CONTROL_TARGET = "machine";

/** What a machine says of its faults. */
export interface FaultReport {
  /** Name of the faults that are on, `null` when they were given by their members. */
  readonly name: string | null;
  readonly members: Readonly<Record<string, unknown>>;
}

/** The machine's methods as a client of the control port sees them. */
export interface MachineMethods {
  get_status(): Record<string, unknown>;
  get_faults(): FaultReport;
  list_faults(): Readonly<Record<string, unknown>>;
  set_faults(faults: unknown, seed?: number | null): FaultReport;
  play(timeline: unknown): FaultReport;
  power(on: boolean, boards?: readonly number[] | null): null;
  reset(boards?: readonly number[] | null): null;
  get_counters(): Record<string, unknown>;
  set_recording(on: boolean): boolean;
}

export type MachineClient = Client<MachineMethods>;

const boards: ParameterDescription = { name: "boards", type: "list", default: null };
const METHODS: Readonly<Record<keyof MachineMethods, MethodDescription>> = {
  get_status: { doc: "Boards, BMPs, their addresses and states.", args: [], returns: "dict" },
  get_faults: { doc: "The faults that are on: name (None when they have none) and members.", args: [], returns: "dict" },
  list_faults: { doc: "Faults that have a name, with their members.", args: [], returns: "dict" },
  set_faults: {
    doc: "Replaces the faults, by a name or by a dict of members; None lifts all. With a seed their generators start anew from it.",
    args: [{ name: "faults" }, { name: "seed", type: "int", default: null }],
    returns: "dict",
  },
  play: { doc: "Lets a timeline begin now: dict with steps, seed, faults.", args: [{ name: "timeline", type: "dict" }], returns: "dict" },
  power: { doc: "Switches the supply of boards, by number from 0; None is all.", args: [{ name: "on", type: "bool" }, boards] },
  reset: { doc: "Presses the reset button of boards, by number from 0; None is all.", args: [boards] },
  get_counters: { doc: "What boards, boot ROMs and BMPs have taken in, sent and dropped.", args: [], returns: "dict" },
  set_recording: {
    doc: "Whether datagrams go to the file that the machine was started with; returns whether they did before.",
    args: [{ name: "on", type: "bool" }],
    returns: "bool",
  },
};

/** Serves the methods that steer a simulated machine while it runs, by pc_rpc. Throws `ERR_SPINN_ADDRESS_IN_USE`, `ERR_SPINN_UNREACHABLE`. */
export async function serveMachine(
  machine: SimulatedMachine,
  presets: typeof FAULT_PRESETS,
  host: string,
  port: number,
): Promise<RpcServer> {
  const server = new RpcServer(
    { [CONTROL_TARGET]: machineTarget(machine, presets) },
    { description: "simulated SpiNNaker machine", tracebacks: false, maxConnections: 64, maxLineBytes: 1 << 20 },
  );
  await server.start(host, port);
  return server;
}

/** `[HOST:]PORT`; port 0 takes a free one. Throws `ERR_SPINN_ARGUMENT`. */
export function parseControl(text: string): { readonly host: string; readonly port: number } {
  const match = /^(?:([^:\s]+):)?(\d{1,5})$/.exec(text);
  const port = Number(match?.[2]);
  if (match === null || port > 65535) throw usage(`--control: "${text}" is no port`, "write PORT or HOST:PORT; 0 takes a free port");
  return { host: match[1] ?? "127.0.0.1", port };
}

function machineTarget(machine: SimulatedMachine, presets: typeof FAULT_PRESETS): object {
  const report = (): FaultReport => {
    const { faults } = machine;
    return typeof faults === "string" ? { name: faults, members: presets[faults] } : { name: null, members: { ...faults } };
  };
  const target: MachineMethods = {
    get_status: () => statusOf(machine),
    get_faults: report,
    list_faults: () => presets,
    set_faults: (faults, seed) => {
      const wanted = seed ?? undefined;
      if (wanted !== undefined) checkInteger("seed", wanted, 0, 0xffffffff);
      machine.setFaults((faults ?? "none") as Faults);
      if (wanted !== undefined) machine.reseed(wanted);
      return report();
    },
    play: (timeline) => {
      machine.play(timeline as Timeline);
      return report();
    },
    power: (on, which) => {
      if (typeof on !== "boolean") throw usage("on must be True or False");
      machine.setPower(on, which ?? undefined);
      return null;
    },
    reset: (which) => {
      machine.reset(which ?? undefined);
      return null;
    },
    get_counters: () => ({
      boards: machine.boards.map(({ counters }) => countersOf(counters)),
      boot: machine.boards.map(({ boot }) => countersOf(boot.counters)),
      bmps: machine.bmps.map(({ counters }) => countersOf(counters)),
    }),
    set_recording: (on) => {
      if (typeof on !== "boolean") throw usage("on must be True or False");
      const before = machine.isRecording;
      machine.isRecording = on;
      return before;
    },
  };
  const checked = Object.entries(target).map(([name, method]) => [name, carrying(method as (...args: never[]) => unknown)]);
  return describeTarget(Object.fromEntries(checked) as object, { doc: "A simulated SpiNNaker machine.", methods: METHODS });
}

/** What was wrong with a call is the caller's ValueError; the hint goes with it. */
function carrying(method: (...args: never[]) => unknown): (...args: never[]) => unknown {
  return (...args) => {
    try {
      return method(...args);
    } catch (error) {
      if (!(error instanceof SpinnError)) throw error;
      throw new RemoteError("ValueError", error.hint === undefined ? error.message : `${error.message}; ${error.hint}`);
    }
  };
}

function statusOf(machine: SimulatedMachine): Record<string, unknown> {
  return {
    ready: machine.isReady,
    scamp: machine.version,
    recording: machine.isRecording,
    boards: machine.boards.map((board) => ({
      address: addressText(board.address),
      boot: addressText(board.boot.address),
      chip: { ...board.chip },
      powered: board.powered,
      booted: board.isBooted,
      waiting: board.boot.isWaiting,
    })),
    bmps: machine.bmps.map(({ address }) => addressText(address)),
  };
}

function countersOf(counters: Counters): Record<string, unknown> {
  const { received, receivedBytes, sent, sentBytes, dropped } = counters;
  return { received, received_bytes: receivedBytes, sent, sent_bytes: sentBytes, dropped: { ...dropped } };
}

function addressText({ host, port }: { readonly host: string; readonly port: number }): string {
  return `${host}:${port}`;
}
