import { readFileSync } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { METHODS } from "../../src/controller/index.js";
import { applicationImage } from "../transceiver/application-image.js";
import { type Bench, open } from "./doors.js";

const SDRAM = 0x60240000;
const HOSTS = { local: "127.87.41.1", rpc: "127.87.43.1", engine: "127.87.45.1" };
const BMPS = { local: "127.87.41.101", rpc: "127.87.43.101", engine: "127.87.45.101" };
const BOOT_IMAGE = new Uint8Array(readFileSync(new URL("../../fixtures/bringup/simulated.boot", import.meta.url)));

type Args = Readonly<Record<string, unknown>>;
/** Method, arguments, and what must be in the result (of a run: in its report) at the least. */
type Line = readonly [method: string, args: Args, shown: unknown];

const bytes = (...values: number[]): Uint8Array => Uint8Array.from(values);
const any = <T>(type: T): unknown => expect.any(type);

// Every method of the table, on three machines that are alike: here, through a connection, and as an engine of a cluster. What they answer must be the same.
describe("every method, here, through a connection and as an engine", () => {
  let here: Bench;
  let there: Bench;
  let engine: Bench;
  let folder: string;
  const used = new Set<string>();

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "spinnkit-methods-"));
    await writeFile(join(folder, "one.yaml"), "steps:\n  - check-version: 4.0.0\n");
    const more = { scriptFolder: folder, connect: { nRetries: 2, packetTimeoutMs: 200, probeMs: 300 } };
    const machine = { board: "spin5", seed: 5 } as const;
    here = await open("local", HOSTS.local, { ...machine, bmpHost: BMPS.local }, more);
    there = await open("rpc", HOSTS.rpc, { ...machine, bmpHost: BMPS.rpc }, more);
    engine = await open("engine", HOSTS.engine, { ...machine, bmpHost: BMPS.engine }, more);
  });
  afterAll(async () => {
    await here[Symbol.asyncDispose]();
    await there[Symbol.asyncDispose]();
    await engine[Symbol.asyncDispose]();
    await rm(folder, { recursive: true, force: true });
  });

  const answer = async (bench: Bench, method: string, args: Args): Promise<unknown> => {
    used.add(method);
    try {
      if (!METHODS[method]?.isRun) return await bench.entry.call(method, args);
      const { state, result, error } = await bench.entry.finish(method, args);
      return { state, result, error };
    } catch (error) {
      const { name, code, message, hint, board, request } = error as Error & Record<string, unknown>;
      return { name, code, message, hint, board, request };
    }
  };

  /** Addresses by what they are, clocks by that they are there. */
  const normal = (value: unknown, bench: Bench): unknown => {
    const { host, port } = bench.machine.boards[0]!.address;
    const bmp = bench.machine.bmps[0]!.address;
    const text = (word: string): string =>
      word
        .replaceAll(`${bmp.host}:${bmp.port}`, "BMP")
        .replaceAll(`${host}:${port}`, "BOARD")
        .replaceAll(host, "HOST")
        .replace(/\d+(\.\d+)? (ms|s)\b/g, "T");
    const clocks = new Set([
      "start_time",
      "waited_ms",
      "started_at",
      "ended_at",
      "duration_ms",
      "build_date",
      "first_heard_ms",
      "latency",
      "throughput",
      "loss",
      "packets_sent",
    ]);
    const walk = (one: unknown, key = ""): unknown => {
      if (clocks.has(key)) return "T";
      if (typeof one === "string") return text(one);
      if (one instanceof Uint8Array) return Buffer.from(one).toString("hex");
      if (Array.isArray(one)) return one.map((part) => walk(part));
      if (typeof one !== "object" || one === null) return one;
      return Object.fromEntries(Object.entries(one).map(([name, part]) => [name, walk(part, name)]));
    };
    return walk(value);
  };

  const check = async ([method, args, shown]: Line): Promise<void> => {
    const one = normal(await answer(here, method, args), here);
    for (const bench of [there, engine]) expect(normal(await answer(bench, method, args), bench), method).toEqual(one);
    if (typeof shown === "object" && shown !== null) expect(one, method).toMatchObject(shown);
    else expect(one, method).toEqual(shown);
  };

  const done = (result: unknown): unknown => ({ state: "done", error: null, ...(result === undefined ? {} : { result }) });
  const refused = (code: string, words: RegExp): unknown => ({
    name: "SpinnError",
    code,
    message: expect.stringMatching(words) as unknown,
  });
  const C = { chip: "1,1" };

  const groups: Readonly<Record<string, readonly Line[]>> = {
    "the machine": [
      ["info", {}, { name: "SC&MP", root: "0,0" }],
      ["discover", {}, { width: 8, height: 8, problems: [] }],
      ["version", { place: "0,0" }, { name: "SC&MP" }],
      ["version", { place: "7,0" }, refused("ERR_SPINN_RETURN_CODE", /RC_ROUTE/)],
      ["version", { place: "0;0" }, refused("ERR_SPINN_ARGUMENT", /^place: /)],
      ["leds", { chip: "0,0", leds: [0], action: "on" }, null],
      ["serial_rom", { chip: "0,0", address: 0, length: 8 }, any(String)],
      ["set_clock_sync", { on: false }, null],
      ["measure", { reads: 10, bytes: 1024 }, { state: "done" }],
      ["find_boards", { seconds: 0.01, address: "127.0.0.1", port: 54333 }, done([])],
      ["find_boards", { seconds: -1 }, refused("ERR_SPINN_ARGUMENT", /^seconds must be a time/)],
      ["bringup", { script: "one.yaml" }, { state: "done", result: { outcome: "done" } }],
      ["remap_core", { chip: "4,4", core: 17, numbering: "virtual" }, null],
    ],
    memory: [
      ["write", { ...C, address: SDRAM, data: bytes(1, 2, 3, 4, 5, 6, 7, 8) }, null],
      ["read", { ...C, address: SDRAM, length: 8 }, "0102030405060708"],
      ["read", { ...C, address: 0x90000000, length: 8 }, refused("ERR_SPINN_MEMORY", /nothing is at/)],
      ["verify", { ...C, address: SDRAM, data: bytes(1, 2, 3, 4) }, null],
      ["verify", { ...C, address: SDRAM, data: bytes(1, 2, 9, 4) }, refused("ERR_SPINN_VERIFY", /0x60240002/)],
      ["fill", { chip: "1,0", address: SDRAM, length: 4096, word: 7 }, done(null)],
      [
        "write_many",
        {
          pieces: [
            { chip: "2,2", address: SDRAM, data: bytes(9, 9) },
            { chip: "0,0", address: SDRAM, data: bytes(8) },
          ],
        },
        null,
      ],
      [
        "read_many",
        {
          ranges: [
            { chip: "2,2", address: SDRAM, length: 2 },
            { chip: "0,0", address: SDRAM, length: 1 },
          ],
        },
        ["0909", "08"],
      ],
      ["read_many", { ranges: [{ chip: "2,2", address: SDRAM }] }, refused("ERR_SPINN_ARGUMENT", /^ranges\[0\] needs length/)],
      ["read_many", { ranges: [{ chip: "2,2", address: SDRAM, length: -1 }] }, refused("ERR_SPINN_ARGUMENT", /^ranges\[0\]\.length must/)],
      ["read_link", { chip: "0,0", link: 0, address: SDRAM, length: 8 }, "0700000007000000"],
      ["write_link", { chip: "0,0", link: 0, address: SDRAM, data: bytes(1, 0, 0, 0) }, null],
      ["read_link", { chip: "0,0", link: 6, address: SDRAM, length: 8 }, refused("ERR_SPINN_ARGUMENT", /^link must/)],
      ["read_variable", { chip: "0,0", name: "led_period" }, any(Number)],
      ["read_variable", { chip: "0,0", name: "no_such" }, refused("ERR_SPINN_ARGUMENT", /no_such/)],
      ["write_core_field", { core: "1,1,3", name: "user1", value: 0xdeadbeef }, null],
      ["read_core_field", { core: "1,1,3", name: "user1" }, 0xdeadbeef],
      ["read_core_field", { core: "0,0,0", name: "app_name" }, "scamp-3"],
      ["allocate", { ...C, size: 4096, app_id: 60, tag: 3 }, any(Number)],
      ["find_block", { ...C, app_id: 60, tag: 3 }, any(Number)],
      ["find_block", { ...C, app_id: 60, tag: 4 }, null],
      ["heap", C, { free_bytes: any(Number), blocks: any(Array) }],
      ["space", C, { free: any(Number), largest_block: any(Number) }],
      ["free", { ...C, address: 0x60240000 }, refused("ERR_SPINN_MEMORY", /no allocated block/)],
      ["free_all", { ...C, app_id: 60 }, 1],
    ],
    applications: [
      ["load", { image: applicationImage(1024), cores: ["0,0,1-3", "1,1,4"], app_id: 30, wait: true }, done({ cores: 4 })],
      ["load", { image: applicationImage(1024), cores: ["0,0,1"], app_id: 31 }, { state: "failed", error: { code: "ERR_SPINN_STATE" } }],
      ["load", { image: bytes(1, 2, 3), cores: ["0,0,8"], app_id: 31 }, { state: "failed", error: { code: "ERR_SPINN_FILE" } }],
      ["states", { app_id: 30 }, { WAIT: 4 }],
      ["application", { app_id: 30 }, [{ state_name: "WAIT" }, {}, {}, {}]],
      ["signal", { app_id: 30, signal: "start" }, "START"],
      ["wait_for", { app_id: 30, states: ["RUN"], count: 4, timeout: 5 }, done(null)],
      ["wait_for", { app_id: 30, states: ["EXIT"], count: 4, timeout: 0.05 }, { state: "failed", error: { code: "ERR_SPINN_STATE" } }],
      ["wait_for_cores", { cores: ["0,0,1"], app_id: 30, states: ["RUN"], timeout: 5 }, done(null)],
      ["status", { chip: "0,0" }, any(Array)],
      ["core_status", { core: "0,0,1" }, { state_name: "RUN", app_id: 30 }],
      ["iobuf", { cores: ["0,0,1"] }, { "0,0,1": "" }],
      ["stop", { app_id: 30 }, null],
      ["states", { app_id: 30 }, {}],
    ],
    packets: [
      ["set_tag", { tag: 1, host: "127.0.0.1", port: 20000, strip: true }, null],
      ["set_tag", { tag: 9, host: "127.0.0.1", port: 20000 }, refused("ERR_SPINN_ARGUMENT", /^tag must/)],
      ["set_reverse_tag", { tag: 2, port: 12345, core: "0,0,3" }, null],
      [
        "tags",
        {},
        [
          { tag: 1, port: 20000, strip: true },
          { tag: 2, rx_port: 12345, destination: { x: 0, y: 0, p: 3 } },
        ],
      ],
      ["take_tag", { host: "127.0.0.1", port: 20001 }, any(Number)],
      ["clear_tag", { tag: 1 }, null],
      ["tag_pool", {}, { pool_size: any(Number) }],
      ["load_routes", { ...C, app_id: 61, table: "0x00010000 0xffff0000 links 0,2 cores 1,5" }, any(Number)],
      ["load_routes", { ...C, app_id: 61, table: "nonsense" }, refused("ERR_SPINN_FILE", /./)],
      ["routes", C, any(Array)],
      ["free_routes", { ...C, app_id: 61 }, any(Number)],
      ["clear_routes", C, null],
      ["set_fixed_route", { ...C, links: [1], cores: [2] }, null],
      ["fixed_route", C, { links: [1], cores: [2] }],
      ["router_counters", C, { dropped_multicast: 0 }],
      ["clear_router_counters", C, null],
      ["router_diagnostics", C, { monitor_core: any(Number), counters: any(Object) }],
      ["set_router_filter", { ...C, index: 12, filter: 5 }, null],
      ["router_filter", { ...C, index: 12 }, 5],
    ],
    "power, and from nothing to a machine": [
      ["bmp_info", {}, { name: "BC&MP", serial: { serial: any(String) } }],
      ["bmp_info", { board: 3 }, refused("ERR_SPINN_RETURN_CODE", /./)],
      ["list_boards", {}, [0]],
      ["sensors", { board: 0 }, { voltage12a: any(Number), temperature_top: any(Number) }],
      ["board_leds", { boards: [0], leds: [7], action: "on" }, null],
      ["read_fpga", { fpga: 1, address: 0x40004 }, [any(Number)]],
      ["write_fpga", { fpga: 1, address: 0x40010, values: [5] }, null],
      ["power_off", { boards: [0] }, null],
      ["read", { chip: "0,0", address: SDRAM, length: 4 }, refused("ERR_SPINN_TIMEOUT", /does not answer/)],
      ["power_on", { boards: [0], settle: 0.05 }, done(null)],
      ["boot", { image: BOOT_IMAGE, settle: 0.05 }, done({ already_booted: false, attempts: 1 })],
      ["boot", { image: BOOT_IMAGE, settle: 0.05 }, done({ already_booted: true, attempts: 0 })],
      ["discover", {}, { width: 8, height: 8, problems: [] }],
      ["reset_boards", { boards: [0] }, null],
      ["power_on", { boards: [24] }, refused("ERR_SPINN_ARGUMENT", /^boards\[0\] must/)],
    ],
  };
  it.each(Object.keys(groups))("%s", async (name) => {
    for (const line of groups[name]!) await check(line);
  });

  it("none was forgotten", () => {
    expect([...used].sort()).toEqual(Object.keys(METHODS).sort());
  });
});
