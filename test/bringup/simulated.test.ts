import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import {
  type BringupDevices,
  type BringupOptions,
  type BringupReport,
  loadScript,
  NETWORK_DEVICES,
  runBringup,
} from "../../src/bringup/index.js";
import { armProgram } from "../../src/emulator/index.js";
import { SimulatedMachine } from "../../src/simulator/index.js";

const SCRIPT = fileURLToPath(new URL("../../fixtures/bringup/spin5.yaml", import.meta.url));
const HOST = "127.83.5.1";

let folder: string;
let machine: SimulatedMachine;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "spinnkit-simulated-"));
  machine = await SimulatedMachine.start({
    host: HOST,
    port: 0,
    booted: false,
    powered: false,
    timeScale: 0.01,
    programs: armProgram({ speed: Number.POSITIVE_INFINITY }),
  });
});

afterEach(async () => {
  await machine.close();
  await rm(folder, { recursive: true, force: true });
});

// Gives up soon, so that the test of a lost board is short.
const DEVICES: BringupDevices = {
  ...NETWORK_DEVICES,
  connect: (options) => NETWORK_DEVICES.connect({ ...options, nRetries: 2, packetTimeoutMs: 100 }),
};

async function run(options: BringupOptions = {}): Promise<BringupReport> {
  const variables = { powerSettle: "1ms", bootSettle: "100ms" };
  const { port } = machine.boards[0]!.address;
  const board = { host: HOST, port, bootPort: machine.bootAddress.port, bmp: machine.bmps[0]!.address };
  const script = await loadScript(SCRIPT, { variables });
  return runBringup(script, { board, devices: DEVICES, outputFolder: folder, statePath: join(folder, "state.json"), ...options });
}

describe("the example script on a simulated board with emulated cores", () => {
  it("goes from the mains to a result", async () => {
    const report = await run();
    expect(report.steps.map(({ kind, status }) => `${kind} ${status}`)).toEqual(
      ["power", "boot", "wait", "check-version", "load", "start", "wait-for-state", "read", "iobuf", "stop"].map((kind) => `${kind} done`),
    );
    const [power, boot, , check, load, , , read, iobuf] = report.steps.map(({ seen }) => seen);
    expect(power).toMatchObject({ bmp: expect.stringMatching(/^BC&MP 2\.1\.2 at 127\.83\.5\.\d+:/) as string, state: "on" });
    expect(boot).toMatchObject({ firmware: "SC&MP 4.0.0", alreadyBooted: false });
    expect(check).toMatchObject({ chips: 48, size: "8x8" });
    expect(load).toMatchObject({ app: 30, cores: 4 });
    const text = iobuf!["text"] as Record<string, string>;
    expect(Object.keys(text)).toEqual(["0,0,1", "0,0,2", "0,0,3", "0,0,4"]);
    expect(text["0,0,2"]).toMatch(/^hello from core 2 of chip 0,0\n1024 words at 0x/);
    const table = await readFile(join(folder, "hello-table.bin"));
    expect(read).toMatchObject({ bytes: 4096 });
    expect([...words(table)]).toEqual(xorshift(1, 1024));
  });

  it("goes on where a lost board ended it", async () => {
    const error = await run({
      onProgress: (event) => {
        // The cable comes out behind step 5, the load.
        if (event.type === "step-end" && event.report.step === 5) machine.setFaults({ toBoard: { loss: 1 } });
      },
    }).then(
      () => undefined,
      (reason: unknown) => reason as Error & { readonly hint: string },
    );
    expect(error?.message).toMatch(/^step \d of 10 .*spin5\.yaml:/);
    expect(error?.hint).toMatch(/run again with resume/);
    machine.setFaults({});
    const report = await run({ resume: true });
    expect(report.outcome).toBe("done");
    expect(report.steps.slice(0, 4).map(({ status }) => status)).toEqual(["skipped", "skipped", "skipped", "skipped"]);
    expect(report.steps[7]!.seen).toMatchObject({ bytes: 4096 });
  });
});

function words(bytes: Uint8Array): Uint32Array {
  return new Uint32Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length));
}

/** What fixtures/apps/hello/hello.c computes with seed 0 on a core. */
function xorshift(core: number, count: number): number[] {
  let x = core;
  return Array.from({ length: count }, () => {
    x = (x ^ (x << 13)) >>> 0;
    x = (x ^ (x >>> 17)) >>> 0;
    x = (x ^ (x << 5)) >>> 0;
    return x;
  });
}
