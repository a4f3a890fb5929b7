import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import {
  type BringupDevices,
  bringup,
  type FleetBoard,
  type FleetOptions,
  type FleetReport,
  loadScript,
  NETWORK_DEVICES,
  runFleet,
  type ScriptFor,
} from "../../src/bringup/index.js";
import { armProgram } from "../../src/emulator/index.js";
import { type Faults, SimulatedMachine } from "../../src/simulator/index.js";
import { parseXml } from "./xml.js";

const SCRIPT = fileURLToPath(new URL("../../fixtures/bringup/spin5.yaml", import.meta.url));
const at = (last: number): string => `127.83.9.${last}`;

let folder: string;
let machines: SimulatedMachine[];

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "spinnkit-rack-"));
  machines = [];
});

afterEach(async () => {
  await Promise.all(machines.map((machine) => machine.close()));
  await rm(folder, { recursive: true, force: true });
});

async function machine(last: number, faults: Faults = {}): Promise<FleetBoard> {
  const simulated = await SimulatedMachine.start({
    host: at(last),
    port: 0,
    booted: false,
    powered: false,
    timeScale: 0.01,
    faults,
    seed: last,
    programs: armProgram({ speed: Number.POSITIVE_INFINITY }),
  });
  machines.push(simulated);
  const { port } = simulated.boards[0]!.address;
  return {
    name: `b${last}`,
    address: { host: at(last), port, bootPort: simulated.bootAddress.port, bmp: simulated.bmps[0]!.address, slot: 0 },
  };
}

// Gives up soon, so that the tests of lost boards are short; counts what is open.
let open = 0;
const counted = <T extends { close(): Promise<void> }>(connection: T): T => {
  open += 1;
  const close = connection.close.bind(connection);
  let isOpen = true;
  connection.close = async () => {
    if (isOpen) open -= 1;
    isOpen = false;
    await close();
  };
  return connection;
};
const DEVICES: BringupDevices = {
  connect: async (options) => counted(await NETWORK_DEVICES.connect({ ...options, nRetries: 4, packetTimeoutMs: 100 })),
  connectBmp: async (options) => counted(await NETWORK_DEVICES.connectBmp(options)),
  boot: (image, options) => NETWORK_DEVICES.boot(image, options),
};

const scriptFor: ScriptFor = ({ variables, name }) =>
  loadScript(SCRIPT, { variables: { powerSettle: "1ms", bootSettle: "50ms" }, boardVariables: { ...variables, "board.name": name } });

function run(boards: readonly FleetBoard[], options: FleetOptions = {}): Promise<FleetReport> {
  return runFleet(scriptFor, boards, { devices: DEVICES, outputFolder: folder, stateFolder: join(folder, "state"), ...options });
}

describe("three boards behind one BMP", () => {
  it("are switched on each in its slot, and the look afterwards finds every one on", async () => {
    const frame = await SimulatedMachine.start({
      host: at(61),
      port: 0,
      board: { triads: [1, 1] },
      booted: false,
      powered: false,
      timeScale: 0.01,
    });
    machines.push(frame);
    const bmp = frame.bmps[0]!.address;
    const boards = frame.boards.map((board, slot) => ({
      name: `s${slot}`,
      address: { host: board.address.host, port: board.address.port, bmp, slot },
    }));
    const power: ScriptFor = () => bringup({ steps: [{ power: { state: "on", settle: "20ms" } }] });
    const report = await runFleet(power, boards, { devices: DEVICES, powerSpacingMs: 20 });
    expect(report.outcome, JSON.stringify(report.boards)).toBe("done");
    expect(report.boards.map(({ report: one }) => one!.steps[0]!.seen!["boards"])).toEqual([[0], [1], [2]]);
    expect(open).toBe(0);
  });
});

describe("four boards, of which three have something the matter", () => {
  it("each has its own end, said rightly; the rest go on where they were", async () => {
    const dead: FleetBoard = { name: "dead", address: { host: at(99), port: 9, bmp: { host: at(99), port: 9 }, slot: 0 } };
    const lossy = { toBoard: { loss: 0.05 }, toHost: { loss: 0.05 } };
    const boards = [await machine(1), dead, await machine(3, lossy), await machine(4)];
    const reportPath = join(folder, "out.json");
    const report = await run(boards, {
      reportPath,
      junitPath: join(folder, "out.xml"),
      onProgress: (event) => {
        // Its supply fails behind the load.
        if (event.type === "step-end" && event.board === "b4" && event.report.step === 5) machines[2]!.setFaults({ rebootAfter: 1 });
      },
    });
    expect(report.boards.map(({ board, outcome }) => `${board} ${outcome}`)).toEqual(["b1 done", "dead failed", "b3 done", "b4 failed"]);
    expect(report).toMatchObject({ outcome: "failed", counts: { done: 2, failed: 2 } });
    expect(report.boards[1]).toMatchObject({ error: { code: "ERR_SPINN_UNREACHABLE" }, boardNow: "nothing was sent to it" });
    expect(report.boards[3]!.error!["message"]).toMatch(/^step [5-9] of 10 /);
    expect(report.boards[3]!.boardNow).toMatch(/^it does not answer any more/);
    expect(open).toBe(0);
    for (const name of ["b1", "b3"]) expect((await readFile(join(folder, name, "hello-table.bin"))).length).toBe(4096);
    expect(JSON.parse(await readFile(reportPath, "utf8"))).toMatchObject({ schema: "spinnkit.bringup-fleet-report", outcome: "failed" });
    expect(parseXml(await readFile(join(folder, "out.xml"), "utf8")).attributes).toMatchObject({ tests: "40", failures: "2" });

    machines[2]!.setFaults({});
    const again = await run([boards[0]!, ...boards.slice(2)], { resume: true });
    expect(again.outcome).toBe("done");
    const begun = again.boards.map(({ report: one }) => one!.steps.findIndex(({ status }) => status !== "skipped"));
    // Two are up already; the one that lost its power begins again.
    expect(begun).toEqual([-1, -1, 0]);
    expect(open).toBe(0);
  });

  it("Ctrl-C in the middle leaves each in a stated condition, and nothing open", async () => {
    const boards = [await machine(11), await machine(12), await machine(13)];
    const stop = new AbortController();
    const report = await run(boards, {
      atOnce: 2,
      signal: stop.signal,
      onProgress: (event) => {
        if (event.type === "step-start" && event.kind === "wait-for-state") stop.abort("SIGINT");
      },
    });
    expect(report.outcome).toBe("aborted");
    const [first, second, third] = report.boards.map(({ outcome, boardNow }) => ({ outcome, boardNow }));
    expect(third).toEqual({ outcome: "not begun", boardNow: "nothing was sent to it" });
    for (const one of [first!, second!]) {
      expect(one.outcome).toBe("aborted");
      expect(one.boardNow).toMatch(/^SC&MP 4\.0\.0 answers at .*|^it (was being|is) (booted|switched on)/);
    }
    expect([first!.boardNow, second!.boardNow].join()).toMatch(/app 30: (\d \w+(, )?)+/);
    expect(open).toBe(0);
    const again = await run(boards, { resume: true });
    expect(again.outcome).toBe("done");
  });
});
