import { createSocket } from "node:dgram";
import { once } from "node:events";
import { writeFile } from "node:fs/promises";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { addresses, collect, command, jsonOf, type Run, Served, Simulated, spinn, start, temporaryFolder } from "./spinn.js";

const at = addresses(6);

interface Side {
  readonly machine: Simulated;
  /** Board and BMP as the simulator names them. */
  readonly host: string;
  readonly bmp: string;
  /** How verbs for boards, and verbs for BMPs, come to them. */
  readonly board: readonly string[];
  readonly power: readonly string[];
}

// Two machines that are alike: what is done to one locally is done to the other through a controller, and the outputs must be the same.
describe("a board through a controller", () => {
  let folder: Awaited<ReturnType<typeof temporaryFolder>>;
  let local: Side;
  let remote: Side;
  let controller: Served;
  let via: string;

  const simulated = (host: string, bmp: string) =>
    Simulated.start(["--board", "spin5", "--host", host, "--bmp-host", bmp, "--time-scale", "0.02", "--seed", "7"]);

  beforeAll(async () => {
    folder = await temporaryFolder();
    const hosts = { host: at(1), bmp: at(101) };
    local = { machine: await simulated(at(1), at(101)), ...hosts, board: ["--host", at(1)], power: ["--bmp", at(101)] };
    const machine = await simulated(at(2), at(102));
    controller = await Served.start(["--host", at(2), "--bmp", at(102)]);
    ({ via } = controller);
    remote = { machine, host: at(2), bmp: at(102), board: ["--via", via], power: ["--via", via] };
    await writeFile(folder.file("ring.routes"), "0x00010000 0xffff0000 links 0,2 cores 1,5\n");
    await writeFile(folder.file("data.bin"), Buffer.from(Array.from({ length: 5000 }, (_, i) => (i * 7) & 0xff)));
    await writeFile(folder.file("script.ybug"), "sver\nsp 1 1\nps\nsw 60240000 12345678\nsmemw 60240000\niptag\n");
  });
  afterAll(async () => {
    await controller.stop();
    await local.machine[Symbol.asyncDispose]();
    await remote.machine[Symbol.asyncDispose]();
    await folder[Symbol.asyncDispose]();
  });

  /** Addresses by what they are, times and rates by that they are there. */
  const normal = ({ status, stdout, stderr }: Run, { host, bmp }: Side): Run => {
    const clean = (text: string): string =>
      text
        .replaceAll(/(local|remote)(?=")/g, "SIDE")
        // Which tags are lent to replies at the moment, and how often they were used, depends on how many requests met.
        .replace(/^ *\d+ .*lent to a reply.*\n/gm, "")
        .replaceAll(bmp, "BMP")
        .replaceAll(host, "BOARD")
        .replace(/"(seconds|time|durationMs|startTime|startedAt|endedAt)":("[^"]*"|[\d.e-]+)/g, '"$1":T')
        .replace(/\d+(\.\d+)? (ms|s|min|us)\b|(?<=waitedMs: )\d+/g, "T")
        .replace(/\d+:\d\d:\d\d|\d\d \w{3} \d\d:\d\d/g, "CLOCK")
        .replace(/[\d.]+ [kMG]?B\/s/g, "RATE")
        .replace(/\d{4}-\d\d-\d\dT[\d:.]+Z/g, "DATE");
    return { status, stdout: clean(stdout), stderr: clean(stderr) };
  };

  const both = async (verb: readonly string[], kind: "board" | "power"): Promise<[Run, Run]> => {
    const words = (side: Side): string[] => [
      ...verb.map((word) => word.replace("SIDE", side === local ? "local" : "remote")),
      ...side[kind],
    ];
    return [normal(await command(words(local)), local), normal(await command(words(remote)), remote)];
  };

  /** Line of a verb, and what its output must show at the least, so that two empty outputs are no success. */
  const lines: readonly (readonly [string, number, RegExp])[] = [
    ["info", 0, /verdict +whole/],
    ["info --json", 0, /"schema":"spinn\.info"/],
    // With its BMP the picture says temperatures, which are never the same twice.
    ["map --svg FOLDER/map.svg", 0, /48 chips/],
    ["ps 0,0", 0, /scamp/],
    ["ps --counts --json", 0, /"counts"/],
    ["links 0,0", 0, /east/],
    ["registers 0,0,1", 0, /./],
    ["read sv.led_period", 0, /1/],
    ["read vcpu[0].app_name", 0, /scamp/],
    ["write 1,2 sdram+0x240000 1 0x10 4K --verify", 0, /read back the same/],
    ["write 1,2,3 sdram+0x240100 --input FOLDER/data.bin --verify", 0, /5000 B|4\.9 KB/],
    ["read 1,2 sdram+0x240100 5000 --json", 0, /"base64":"AAcOFR/],
    ["fill 1,2 sdram+0x300000 64K 0x41424344", 0, /./],
    ["read 1,2 sdram+0x300000 16 -f words", 0, /41424344/],
    ["dump FOLDER/SIDE 4,4 4,5 sdram+4M 4K --json", 0, /"bytes":8192/],
    ["restore FOLDER/SIDE --verify --json", 0, /"verified":true/],
    ["heap 0,0", 0, /used|free/],
    ["load fixtures/apps/hello.aplx 0,0,1-2 1,1,5 --app-id 41 --wait", 0, /on 3 cores of 2 chips/],
    ["ps --app-id 41", 0, /WAIT/],
    ["start --app-id 41", 0, /started app 41/],
    ["wait EXIT --app-id 41 --for 10s", 0, /3 cores of app 41 in EXIT/],
    ["iobuf 0,0,1-2 1,1,5", 0, /hello from core 5 of chip 1,1/],
    ["wait RUN --app-id 41 --for 100ms", 1, /./],
    ["signal usr0 --app-id 41", 0, /./],
    ["stop --app-id 41", 0, /3 cores given back/],
    ["start --app-id 41", 1, /./],
    ["load fixtures/apps/faulty.aplx 2,2,1 --app-id 42 --wait", 0, /./],
    ["write 2,2,1 vcpu.user1 1", 0, /./],
    ["start --app-id 42", 0, /./],
    ["wait EXIT --app-id 42 --for 5s", 1, /RTE \(DABT/],
    ["stop --app-id 42", 0, /./],
    ["routes 1,0 --load FOLDER/ring.routes --app-id 43", 0, /loaded 1 route/],
    ["routes 1,0", 0, /0x00010000/],
    ["routes 1,0 --clear", 8, /./],
    ["routes 1,0 --clear --yes", 0, /./],
    ["router", 0, /packets/],
    ["tags set 1 127.0.0.1:17892 --strip", 0, /to host, strip/],
    ["tags reverse 2 12345 0,0,3", 0, /UDP 12345/],
    ["tags", 0, /reverse/],
    ["tags clear 1", 0, /clear/],
    ["leds 0,0 0=on", 0, /LED 0 on/],
    ["ybug FOLDER/script.ybug", 0, /12345678/],
    ["boot fixtures/bringup/simulated.boot", 0, /is booted already/],
    ["read 7,0 sdram 4 --json", 5, /ERR_SPINN_RETURN_CODE/],
    ["read 0x90000000 4", 2, /nothing is at/],
    ["load fixtures/apps/hello.aplx 7,0,1", 5, /./],
  ];
  it.each(lines)("%s", async (line, status, shown) => {
    const [here, there] = await both(line.replace("FOLDER", folder.path).split(" "), "board");
    expect(there).toEqual(here);
    expect(here.status, here.stderr).toBe(status);
    expect(here.stdout + here.stderr).toMatch(shown);
  });

  it("bench and doctor measure the same way", async () => {
    for (const side of [local, remote]) {
      const bench = jsonOf(await command(["bench", "--bytes", "16K", "--json", ...side.board]));
      expect(bench).toMatchObject({ board: `${side.host}:17893`, latency: { count: 500 }, throughput: [{}, {}, {}, { window: 8 }] });
      expect((await command(["doctor", ...side.board])).stdout).toMatch(/ok +machine +48 of 48 chips.*\nwell\n$/s);
    }
  });

  it("power, reset and boot", async () => {
    const sequence: readonly (readonly [string, "board" | "power", number, RegExp])[] = [
      ["sensors", "power", 0, /temperature top/],
      ["power status 0-1", "power", 7, /no board there/],
      ["power off 0", "power", 8, /--yes/],
      ["power off 0 --yes", "power", 0, /0 {2}off/],
      ["ps --timeout 300ms", "board", 3, /does not answer/],
      ["power on 0 --yes --settle 100ms", "power", 0, /0 {2}on/],
      ["boot fixtures/bringup/simulated.boot --settle 100ms --timeout 300ms", "board", 0, /booted 48\/48 chips/],
      ["info", "board", 0, /whole/],
      ["reset 0 --yes", "power", 0, /./],
      ["bringup fixtures/bringup/spin5.yaml --set powerSettle=100ms --set bootSettle=100ms --output FOLDER", "board", 0, /done: 10 steps/],
    ];
    for (const [line, kind, status, shown] of sequence) {
      const words = line.replace("FOLDER", folder.path).split(" ");
      if (words[0] === "bringup") {
        const run = await command([...words, "--host", local.host, "--bmp", local.bmp]);
        expect(normal(await command([...words, "--via", via]), remote)).toEqual(normal(run, local));
        expect(run).toMatchObject({ status, stdout: expect.stringMatching(shown) as string });
        continue;
      }
      const [here, there] = await both(words, kind);
      expect(there, line).toEqual(here);
      expect(here.status, `${line}: ${here.stderr}`).toBe(status);
      expect(here.stdout + here.stderr, line).toMatch(shown);
    }
    // The controller's own methods find the machine that is there now.
    expect((await command(["info", "--via", via])).stdout).toMatch(/whole/);
  });

  it("SPINN_VIA names the controller where no board is named, and is not enough for power", async () => {
    const run = await spinn(["read", "sv.led_period"], { SPINN_VIA: via });
    expect(run).toMatchObject({ status: 0, stderr: "" });
    expect((await spinn(["info", "--host", local.host], { SPINN_VIA: via })).stdout).toMatch(new RegExp(`^board +${local.host}:17893\n`));
    expect(await spinn(["power", "status", "0"], { SPINN_VIA: via })).toMatchObject({
      status: 2,
      stderr: expect.stringContaining("no BMP is named") as string,
    });
  });

  it("passes nothing on to hosts of others", async () => {
    const other = await command(["info", "--via", via, "--host", local.host]);
    expect(other).toMatchObject({ status: 8, stdout: "" });
    expect(other.stderr).toMatch(/does not belong to the machine of this controller/);
    expect(await command(["power", "status", "0", "--via", via, "--bmp", local.bmp])).toMatchObject({ status: 8 });
    expect(await command(["info", "--via", "127.0.0.1:1"])).toMatchObject({ status: 4 });
    expect(await command(["info", "--via", "http://127.0.0.1:1"])).toMatchObject({ status: 2 });
  });

  it("listens for unbooted boards where the controller is", async () => {
    const words = ["discover", "--via", via, "--listen", at(2), "--port", "54327", "--until", "1", "--for", "20s", "--json"];
    const found = command(words);
    const socket = createSocket("udp4");
    socket.bind(0, at(9));
    await once(socket, "listening");
    const hello = Buffer.from("000100000041020100000000000043505453", "hex");
    const timer = setInterval(() => socket.send(hello, 54327, at(2)), 50);
    const run = await found;
    clearInterval(timer);
    socket.close();
    expect(run.status, run.stderr).toBe(0);
    expect(jsonOf(run)).toMatchObject({ schema: "spinn.discover", boards: [{ host: at(9), rom: "2.1" }] });
  });

  it("a controller that ends in the middle of a transfer is an error that says so", async () => {
    const served = await Served.start(["--host", at(2)]);
    const own = served.via;
    const reading = start(["iobuf", "0,0,1", "--follow", "--every", "20ms", "--via", own]);
    const stderr = collect(reading.stderr!);
    await command(["load", "fixtures/apps/hello.aplx", "0,0,1", "--via", own]);
    await once(reading.stdout!, "data");
    expect(await served.stop()).toBe(0);
    const [status] = (await once(reading, "exit")) as [number];
    expect(status).toBe(4);
    expect(stderr()).toMatch(/the connection to the controller 127\.0\.0\.1:\d+ was lost/);
  });

  it("--allow look lets callers look and nothing else", async () => {
    await using served = await Served.start(["--host", at(2), "--bmp", at(102), "--allow", "look"]);
    const own = served.via;
    for (const line of ["info", "ps 0,0", "tags", "routes 0,0", "heap 0,0", "read sdram 1M", "doctor", "bench --bytes 16K"]) {
      const run = await command([...line.split(" "), "--via", own]);
      expect(run.status, `${line}: ${run.stderr}`).toBe(0);
    }
    expect((await command(["sensors", "--via", own])).status).toBe(0);
    for (const line of [
      "write sdram+4M 1",
      "fill sdram+4M 16",
      "leds 0,0 0=on",
      "tags clear 1",
      "stop --app-id 50",
      "load fixtures/apps/hello.aplx 0,0,9",
      "power off 0 --yes",
      "reset 0 --yes",
    ]) {
      const run = await command([...line.split(" "), "--via", own]);
      expect(run.status, `${line}: ${run.stderr}`).toBe(8);
      expect(run.stderr, line).toMatch(/allows no more than to look/);
    }
    expect((await command(["info", "--via", own])).stdout).toMatch(/whole/);
  });
});

it("a machine of several boards is reached at every board", async () => {
  await using _machine = await Simulated.start(["--board", "triads:1x1", "--host", at(20), "--bmp-host", at(120)]);
  await using served = await Served.start(["--host", at(20)]);
  const { via } = served;
  const here = await command(["info", "--host", at(20), "-v"]);
  const there = await command(["info", "--via", via, "-v"]);
  expect(there).toMatchObject({ status: 0, stdout: here.stdout });
  expect(there.stdout).toMatch(/144 chips on 3 boards, a torus/);
  // A line of counters for each board: all of them were asked directly.
  expect(
    there.stderr
      .match(/^\S+:17893: sent \d+/gm)
      ?.map((line) => line.split(":")[0])
      .sort(),
  ).toEqual([at(20), at(21), at(22)]);
});

it("live events come through a controller", async () => {
  await using _machine = await Simulated.start(["--board", "spin3", "--host", at(30), "--cores", "live", "--time-scale", "0.02"]);
  await using served = await Served.start(["--host", at(30)]);
  const { via } = served;
  await command(["load", "fixtures/apps/hello.aplx", "0,0,1", "1,1,2", "--via", via]);
  const run = await command(["stream", "events", "--count", "300", "--for", "10s", "--json", "--via", via]);
  expect(run.status, run.stderr).toBe(0);
  const end = JSON.parse(run.stdout.trimEnd().split("\n").at(-1)!) as Record<string, unknown>;
  expect(end).toMatchObject({ source: "events", board: `${at(30)}:17893`, tagFailures: 0 });
  expect(Number(end["events"])).toBeGreaterThanOrEqual(300);
  expect(await command(["stream", "send", "1", "2", "--core", "0,0,1", "--via", via])).toMatchObject({
    status: 0,
    stdout: expect.stringMatching(/^2 events in 1 message to core 0,0,1/) as string,
  });
  for (const words of [
    ["stream", "send", "1", "--reverse", "12345", "--via", via],
    ["stream", "events", "--notify", "0", "--via", via],
  ]) {
    expect((await command(words)).status).toBe(2);
  }
});
