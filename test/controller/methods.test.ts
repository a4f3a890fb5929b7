import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { METHODS } from "../../src/controller/index.js";
import { applicationImage } from "../transceiver/application-image.js";
import { type Bench, type DoorName, open } from "./doors.js";

const SDRAM = 0x60240000;
const HOSTS: Record<DoorName, string> = { local: "127.87.11.1", rpc: "127.87.13.1", engine: "127.87.15.1" };

// Every door must give the same values and the same errors: one suite, run through each.
describe.each(["local", "rpc", "engine"] as const)("methods through the door %s", (door) => {
  let bench: Bench;
  let folder: string;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), "spinnkit-controller-"));
    bench = await open(door, HOSTS[door], {}, { scriptFolder: folder, connect: { nRetries: 2, packetTimeoutMs: 100 } });
  });
  afterEach(async () => {
    await bench[Symbol.asyncDispose]();
    await rm(folder, { recursive: true, force: true });
  });

  const failure = async (method: string, args?: Record<string, unknown>) => {
    const error = await bench.entry.call(method, args).then(
      () => undefined,
      (reason: unknown) => reason as Error & { code: string; board?: string },
    );
    return { name: error?.name, code: error?.code, message: error?.message, board: error?.board };
  };

  it("say what is there", async () => {
    const { port } = bench.machine.boards[0]!.address;
    expect(await bench.entry.call("info")).toEqual({
      name: "SC&MP",
      hardware: "SpiNNaker",
      version: { major: 4, minor: 0, patch: 0 },
      remote: `${HOSTS[door]}:${port}`,
      root: "0,0",
      width: null,
      height: null,
      chips: null,
    });
    const machine = (await bench.entry.call("discover")) as { chips: Record<string, Record<string, unknown>>; problems: unknown[] };
    expect(machine).toMatchObject({ width: 2, height: 2, root: "0,0", problems: [] });
    expect(Object.keys(machine.chips)).toEqual(["0,0", "0,1", "1,0", "1,1"]);
    expect(machine.chips["0,0"]).toMatchObject({ core_count: 18, links: 39, ethernet: { ip: HOSTS[door] } });
    expect(await bench.entry.call("info")).toMatchObject({ width: 2, height: 2, chips: 4 });
  });

  it("read, write and fill memory", async () => {
    const data = Uint8Array.from({ length: 1000 }, (_, i) => i);
    expect(await bench.entry.call("write", { chip: "1,1", address: SDRAM, data })).toBeNull();
    expect(await bench.entry.call("read", { chip: "1,1", address: SDRAM, length: 1000 })).toEqual(data);
    const { state, result, error, method } = await bench.entry.finish("fill", {
      chip: "1,0",
      address: SDRAM,
      length: 4096,
      word: 0x01020304,
    });
    expect({ state, result, error, method }).toEqual({ state: "done", result: null, error: null, method: "fill" });
    const filled = (await bench.entry.call("read", { chip: "1,0", address: SDRAM + 4092, length: 8 })) as Uint8Array;
    expect([...filled]).toEqual([4, 3, 2, 1, 0, 0, 0, 0]);
  });

  it("load, look, signal and stop", async () => {
    const image = applicationImage(1024);
    const done = await bench.entry.finish("load", { image, cores: ["0,0,1-3", "1,1,4"], app_id: 30, wait: true });
    expect(done).toMatchObject({ state: "done", error: null, result: { cores: 4, size_bytes: 1024 } });
    expect(done.progress).toMatchObject({ what: expect.any(String) as string });
    expect(await bench.entry.call("states", { app_id: 30 })).toEqual({ WAIT: 4 });
    expect(await bench.entry.call("signal", { app_id: 30, signal: "start" })).toBe("START");
    expect(await bench.entry.finish("wait_for", { app_id: 30, states: ["RUN"], count: 4, timeout: 5 })).toMatchObject({ state: "done" });
    const status = (await bench.entry.call("status", { chip: "1,1" })) as { p: number; state_name: string; app_id: number }[];
    expect(status.find(({ p }) => p === 4)).toMatchObject({ state_name: "RUN", app_id: 30, run_time_error: null });
    expect(await bench.entry.call("iobuf", { cores: ["0,0,1"] })).toEqual({ "0,0,1": "" });
    expect(await bench.entry.call("stop", { app_id: 30 })).toBeNull();
    expect(await bench.entry.call("states", { app_id: 30 })).toEqual({});
  });

  it("set and show tags, routes, counters and LEDs", async () => {
    expect(await bench.entry.call("set_tag", { tag: 1, host: "127.0.0.1", port: 20000, strip: true })).toBeNull();
    expect(await bench.entry.call("tags")).toMatchObject([{ tag: 1, host: "127.0.0.1", port: 20000, strip: true, rx_port: 0 }]);
    expect(await bench.entry.call("clear_tag", { tag: 1 })).toBeNull();
    expect(await bench.entry.call("tags")).toEqual([]);
    const counters = (await bench.entry.call("router_counters", { chip: "0,0" })) as Record<string, number>;
    expect(counters).toMatchObject({ local_multicast: 0, dropped_multicast: 0, local_p2p: expect.any(Number) as number });
    expect(await bench.entry.call("clear_router_counters", { chip: "0,0" })).toBeNull();
    expect(await bench.entry.call("leds", { chip: "0,0", leds: [0, 1], action: "on" })).toBeNull();
    // What stands there is the monitor's own: the route of its signals.
    const own = (await bench.entry.call("routes", { chip: "0,0" })) as unknown[];
    const table = "0x00010000 0xffff0000 links 0,2 cores 1,5";
    expect(await bench.entry.call("load_routes", { chip: "0,0", app_id: 30, table })).toEqual(expect.any(Number));
    const loaded = (await bench.entry.call("routes", { chip: "0,0" })) as unknown[];
    expect(loaded.at(-1)).toMatchObject({ key: 0x10000, mask: 0xffff0000, links: [0, 2], cores: [1, 5] });
    expect(loaded).toHaveLength(own.length + 1);
    expect(await bench.entry.call("clear_routes", { chip: "0,0" })).toBeNull();
    expect(await bench.entry.call("routes", { chip: "0,0" })).toEqual(own);
    expect((await failure("load_routes", { chip: "0,0", app_id: 30, table: "nonsense" })).code).toBe("ERR_SPINN_FILE");
  });

  it("run a script of the controller's folder, pausing between its steps", async () => {
    await writeFile(join(folder, "two.yaml"), ["steps:", `  - check-version: $${"{least}"}`, "  - sleep: 1ms", ""].join("\n"));
    const report = await bench.entry.finish("bringup", { script: "two.yaml", variables: ["least=4.0.0"] });
    expect(report.error).toBeNull();
    expect(report).toMatchObject({ state: "done", step: expect.stringMatching(/^2: /) as string, result: { outcome: "done" } });
    const missing = await bench.entry.finish("bringup", { script: "none.yaml" });
    expect(missing).toMatchObject({ state: "failed", error: { name: "SpinnError", code: "ERR_SPINN_FILE" } });
    expect(await bench.entry.finish("bringup", { script: "../two.yaml" })).toMatchObject({ error: { code: "ERR_SPINN_ARGUMENT" } });
  });

  it("refuse what is wrong before anything is sent", async () => {
    const cases: [string, Record<string, unknown>, RegExp][] = [
      ["read", { chip: "1", address: 0, length: 4 }, /^chip: /],
      ["read", { chip: "0,0", address: -1, length: 4 }, /^address must be a whole number from 0 to 4294967295, not -1$/],
      ["read", { chip: "0,0", address: 0.5, length: 4 }, /^address must/],
      ["read", { chip: "0,0", address: 0, length: 1e9 }, /^length must/],
      ["write", { chip: "0,0", address: SDRAM, data: "abc" }, /^data must be bytes/],
      ["load", { image: new Uint8Array(4), cores: [], app_id: 30 }, /^cores must be a list/],
      ["load", { image: new Uint8Array(4), cores: ["0,0,99"], app_id: 30 }, /^cores\[0\]: /],
      ["leds", { chip: "0,0", leds: [9], action: "on" }, /^leds\[0\] must/],
      ["leds", { chip: "0,0", leds: [0], action: "blink" }, /^action must be "on" or "off" or "invert", not "blink"$/],
      ["signal", { app_id: 0, signal: "START" }, /^app_id must/],
      ["signal", { app_id: 30, signal: "JUMP" }, /^signal: "JUMP" is no signal$/],
    ];
    for (const [method, args, words] of cases) {
      const { name, code, message } = await failure(method, args);
      expect({ method, name, code, message }).toEqual({
        method,
        name: "SpinnError",
        code: "ERR_SPINN_ARGUMENT",
        message: expect.stringMatching(words) as string,
      });
    }
    expect((await failure("read", { chip: "0,0" })).code).toBe("ERR_SPINN_ARGUMENT");
    expect((await failure("read", { chip: "0,0", address: 0, length: 4, more: 1 })).code).toBe("ERR_SPINN_ARGUMENT");
    expect((await failure("fly")).code).toBe("ERR_SPINN_ARGUMENT");
  });

  it("say where and why when the board is not there, or not willing", async () => {
    const { port } = bench.machine.boards[0]!.address;
    await bench.entry.call("discover");
    const nobody = await bench.entry.finish("load", { image: applicationImage(1024), cores: ["7,7,1"], app_id: 30 });
    expect(nobody.error).toMatchObject({ name: "SpinnError", code: "ERR_SPINN_MACHINE" });
    expect(await failure("sensors")).toMatchObject({ code: "ERR_SPINN_REFUSED", name: "SpinnError" });
    bench.machine.setFaults({ toBoard: { loss: 1 } });
    expect(await failure("read", { chip: "0,0", address: SDRAM, length: 4 })).toMatchObject({
      name: "SpinnError",
      code: "ERR_SPINN_TIMEOUT",
      board: `${HOSTS[door]}:${port}`,
    });
  });

  it("can be paused, resumed and stopped while they run or wait", async () => {
    const { controller, entry } = bench;
    const begun: number[] = [];
    const mine = controller.start("soak", async ({ safePoint, onStep }) => {
      for (let round = 1; ; round += 1) {
        onStep(`round ${round}`);
        begun.push(round);
        await safePoint();
        await new Promise((resolve) => setImmediate(resolve));
      }
    });
    const { run } = (await entry.call("fill", { chip: "0,0", address: SDRAM, length: 4 })) as { run: string };
    await entry.steer("pause", mine.id);
    while (mine.state !== "paused") await new Promise((resolve) => setImmediate(resolve));
    const { length } = begun;
    expect(await entry.status(run)).toMatchObject({ state: "queued", method: "fill" });
    expect(begun.length).toBe(length);
    await entry.steer("resume", mine.id);
    while (begun.length < length + 2) await new Promise((resolve) => setImmediate(resolve));
    await entry.steer("stop", run);
    expect(await entry.status(run)).toMatchObject({ state: "aborted", error: { code: "ERR_SPINN_ABORTED" } });
    await entry.steer("stop", mine.id);
    await mine.ended;
    expect(await entry.status(mine.id)).toMatchObject({ state: "aborted", method: "soak" });
    await expect(entry.status("99")).rejects.toMatchObject({ name: "SpinnError", code: "ERR_SPINN_ARGUMENT" });
  });
});

it("every method says what it does", () => {
  for (const [name, { about, parameters, result, access, isRun }] of Object.entries(METHODS)) {
    expect(["look", "change", "disturb"]).toContain(access);
    if (isRun) expect(access, `${name} occupies the queue of runs`).not.toBe("look");
    expect(name).toMatch(/^[a-z]+(_[a-z]+)*$/);
    expect(about.length).toBeGreaterThan(10);
    expect(result).not.toBe("");
    for (const { about: words } of Object.values(parameters)) expect(words).toMatch(/\.$/);
  }
});
