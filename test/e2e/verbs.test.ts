import { once } from "node:events";
import { mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { addresses, collect, command, jsonOf, Simulated, spinn, start, temporaryFolder } from "./spinn.js";

const local = addresses(1);
const HOST = local(1);
const BMP = local(100);
const at = (...words: string[]): string[] => [...words, "--host", HOST];

describe("every verb on a simulated 48-chip board", () => {
  let machine: Simulated;
  let folder: Awaited<ReturnType<typeof temporaryFolder>>;
  beforeAll(async () => {
    folder = await temporaryFolder();
    machine = await Simulated.start(["--board", "spin5", "--host", HOST, "--bmp-host", BMP, "--time-scale", "0.02"]);
  });
  afterAll(async () => {
    expect(await machine.stop()).toBe(0);
    await folder[Symbol.asyncDispose]();
  });

  it("simulate prints one line with ready and every address", () => {
    expect(machine.ready).toBe(`ready: 48 chips, SC&MP 4.0.0, board ${HOST}:17893, BMP ${BMP}:17893\n`);
  });

  it("info recognises a board and a BMP", async () => {
    const board = await spinn(at("info"));
    expect(board).toMatchObject({ status: 0, stderr: "" });
    expect(board.stdout).toMatch(/^board +127\.77\.\d+\.1:17893\n/);
    expect(board.stdout).toMatch(/machine +8 x 8: 48 chips on 1 board/);
    expect(board.stdout).toMatch(/verdict +whole: nothing is missing/);
    const bmp = await spinn(["info", "--host", BMP]);
    expect(bmp.status).toBe(0);
    expect(bmp.stdout).toMatch(/BC&MP 2\.1\.2.*1\.2 V A +V +1\.\d\d ok/s);
  });

  it("what is written is read back; names, formats, files", async () => {
    expect((await command(at("write", "1,2", "sdram+0x240000", "1", "0x10", "4K", "--verify"))).stdout).toMatch(
      /^wrote 12 B at 0x60240000 of chip 1,2 in .*read back the same\n$/,
    );
    expect((await command(at("read", "1,2", "0x60240000", "12", "-f", "words"))).stdout).toBe("0x60240000  00000001 00000010 00001000\n");
    expect((await command(at("read", "1,2", "0x60240001", "3"))).stdout).toMatch(/^0x60240001 {2}00 00 00 .*\|\.\.\.\|\n$/);
    expect((await command(at("fill", "1,2", "0x60240000", "8", "0x41424344"))).status).toBe(0);
    expect((await command(at("read", "1,2", "0x60240000", "8", "-f", "bin"))).stdout).toBe("DCBADCBA");
    expect((await command(at("write", "0,0", "sv.led_period", "10"))).status).toBe(0);
    expect((await command(at("read", "sv.led_period"))).stdout).toBe("10 (0xa)\n");
    expect((await command(at("read", "vcpu[0].app_name"))).stdout).toBe('"scamp-3"\n');
    const bytes = Buffer.from(Array.from({ length: 5000 }, (_, i) => (i * 7) & 0xff));
    await writeFile(folder.file("in.bin"), bytes);
    expect((await command(at("write", "3,3", "sdram+3M", "--input", folder.file("in.bin"), "--verify"))).status).toBe(0);
    const read = await command(at("read", "3,3", "sdram+3M", "5000", "-o", folder.file("out.bin")));
    expect(read).toMatchObject({ status: 0, stderr: "" });
    expect(Buffer.compare(await readFile(folder.file("out.bin")), bytes)).toBe(0);
    expect(read.stdout).not.toContain("\u001b");
    expect(read.stdout).not.toContain("\r");
  });

  it("an application from loading to its text, its results and its end", async () => {
    expect((await spinn(at("load", "fixtures/apps/hello.aplx", "0,0,1-2", "1,1,5", "--app-id", "41", "--wait"))).stdout).toMatch(
      /on 3 cores of 2 chips as app 41/,
    );
    const waiting = await spinn(at("ps", "--app-id", "41"));
    expect(waiting.stdout.match(/WAIT {3}hello/g)).toHaveLength(3);
    expect((await spinn(at("map"))).stdout).toMatch(/\[w2\].*waits?|\[w2\]/s);
    expect((await spinn(at("start", "--app-id", "41"))).stdout).toBe("started app 41 on 3 cores\n");
    expect((await spinn(at("wait", "EXIT", "--app-id", "41", "--for", "10s"))).stdout).toMatch(/^3 cores of app 41 in EXIT/);
    const text = await spinn(at("iobuf", "0,0,1-2", "1,1,5"));
    expect(text.stdout).toMatch(/^0,0,1: hello from core 1 of chip 0,0\n.*^1,1,5: hello from core 5 of chip 1,1\n/ms);
    expect((await spinn(at("iobuf", "1,1,5"))).stdout).toMatch(/^hello from core 5 of chip 1,1\n/);
    expect((await spinn(at("heap", "0,0"))).stdout).toMatch(/4096 {2}used {2}41/);
    expect((await spinn(at("wait", "RUN", "--app-id", "41", "--for", "200ms"))).status).toBe(1);
    expect((await spinn(at("signal", "usr0", "--app-id", "41"))).status).toBe(0);
    expect((await spinn(at("stop", "--app-id", "41"))).stdout).toBe("stopped app 41: 3 cores given back\n");
    expect((await spinn(at("ps", "--app-id", "41"))).status).toBe(1);
    expect((await spinn(at("start", "--app-id", "41"))).status).toBe(1);
  });

  it("a crash is explained", async () => {
    expect((await command(at("load", "fixtures/apps/faulty.aplx", "2,2,1", "--app-id", "42", "--wait"))).status).toBe(0);
    expect((await command(at("write", "2,2,1", "vcpu.user1", "1"))).status).toBe(0);
    await command(at("start", "--app-id", "42"));
    const wait = await command(at("wait", "EXIT", "--app-id", "42", "--for", "5s"));
    expect(wait.status).toBe(1);
    expect(wait.stderr).toMatch(/core 2,2,1: RTE \(DABT: /);
    expect((await command(at("ps", "--state", "RTE"))).stdout).toMatch(/2,2,1 .*RTE .*core 2,2,1: RTE \(DABT/s);
    expect((await command(at("map"))).stdout).toMatch(/!1 .*crashed/s);
    expect((await command(at("stop", "--app-id", "42"))).status).toBe(0);
  });

  it("routes, tags, LEDs, router", async () => {
    await writeFile(folder.file("ring.routes"), "0x00010000 0xffff0000 links 0,2 cores 1,5\n");
    expect((await command(at("routes", "1,0", "--load", folder.file("ring.routes"), "--app-id", "43"))).stdout).toMatch(
      /loaded 1 route on chip 1,0/,
    );
    expect((await command(at("routes", "1,0"))).stdout).toMatch(/0x00010000 {2}0xffff0000 {2}cores 1 5; east, north +43/);
    expect((await command(at("routes", "1,0", "--table"))).stdout).toMatch(/^0x00010000 0xffff0000 links 0,2 cores 1,5$/m);
    expect((await command(at("routes", "1,0", "--clear"))).status).toBe(8);
    expect((await command(at("routes", "1,0", "--clear", "--yes"))).status).toBe(0);
    expect((await command(at("tags", "set", "1", "127.0.0.1:17892", "--strip"))).stdout).toMatch(
      /1 {2}to host, strip {2}127\.0\.0\.1:17892/,
    );
    expect((await command(at("tags", "reverse", "2", "12345", "0,0,3"))).stdout).toMatch(/reverse.*UDP 12345 to 0,0,3 port 1/);
    expect((await command(at("tags"))).stdout).toMatch(/^ +1 {2}to host, strip.*^ +2 {2}reverse/ms);
    expect((await command(at("tags", "clear", "1"))).stdout).toBe("tag 1 is clear\n");
    expect((await command(at("leds", "0,0", "0=on", "1=invert"))).stdout).toBe("chip 0,0: LED 0 on, LED 1 invert\n");
    expect((await command(at("router", "@all", "--clear"))).stdout).toMatch(/^packets of 48 chips +count/);
  });

  it("dump and restore", async () => {
    const place = folder.file("snapshot");
    await command(at("fill", "4,4", "sdram+4M", "4K", "0x12345678"));
    expect((await command(at("dump", place, "4,4", "4,5", "sdram+4M", "4K"))).stdout).toMatch(/4\.0 KB from 0x60400000 of 2 chips/);
    expect((await readdir(place)).sort()).toEqual(["chip-4-4-60400000.bin", "chip-4-5-60400000.bin", "dump.json"]);
    await command(at("fill", "4,4", "sdram+4M", "4K", "0"));
    expect((await command(at("restore", place, "--verify"))).stdout).toMatch(/restored 2 ranges, 8\.0 KB/);
    expect((await command(at("read", "4,4", "sdram+4M", "4", "-f", "words"))).stdout).toBe("0x60400000  12345678\n");
    await writeFile(`${place}/chip-4-5-60400000.bin`, Buffer.alloc(4096, 1));
    const damaged = await command(at("restore", place));
    expect(damaged.status).toBe(2);
    expect(damaged.stderr).toMatch(/is damaged: chip-4-5-60400000\.bin is not what was saved\n.*nothing was written/);
  });

  it("map and bench write pictures", async () => {
    expect((await command(at("map", "--svg", folder.file("map.svg")))).status).toBe(0);
    const svg = await readFile(folder.file("map.svg"), "utf8");
    expect(svg.match(/<polygon /g)).toHaveLength(48);
    const bench = (await command(at("bench", "--bytes", "64K", "--write", "--svg", folder.file("bench.svg")))).stdout;
    expect(bench).toMatch(/^500 single reads of 256 bytes: least .* ms/);
    expect(bench).toMatch(/^read, window 8 +64\.0 KB.*^write, verified +64\.0 KB.*^lost: 0\.00 %/ms);
    expect(await readFile(folder.file("bench.svg"), "utf8")).toMatch(/Mbit\/s/);
    expect((await command(at("heap", "0,0"))).stdout).toMatch(/^sdram: 0 B in 0 blocks/m);
  });

  it("doctor finds a healthy board healthy", async () => {
    const run = await spinn(["doctor", HOST]);
    expect(run.status).toBe(0);
    expect(run.stdout).toMatch(/ok +answer +SC&MP 4\.0\.0.*\nwell\n$/s);
  });

  it("sensors and the state of the power; a mute slot does not hide the others", async () => {
    expect((await spinn(["sensors", "--bmp", BMP])).stdout).toMatch(/temperature top +C +\d+\.\d ok/);
    const status = await spinn(["power", "status", "0-1", "--bmp", BMP]);
    expect(status.status).toBe(7);
    expect(status.stdout).toMatch(/^ +0 {2}on .*^ +1 {2}failed/ms);
    expect(status.stderr).toMatch(/1 of 2 slots failed: 1 \(no board there\)/);
  });

  it("--json of every verb is one object with schema and version, and nothing else on stdout", async () => {
    const verbs: [string, string[], string[]][] = [
      ["spinn.info", at("info"), ["kind", "board", "software", "machine", "ethernet", "coreStates", "dead", "problems"]],
      ["spinn.info", ["info", "--host", BMP], ["kind", "software", "slots", "boards"]],
      ["spinn.ps", at("ps", "0,0"), ["board", "cores", "counts"]],
      ["spinn.registers", at("registers", "0,0,1"), ["board", "x", "y", "p", "state", "registers", "user"]],
      ["spinn.links", at("links", "0,0"), ["board", "chips"]],
      ["spinn.map", at("map"), ["board", "machine", "deadLinks", "problems"]],
      ["spinn.read", at("read", "sv.clock_ms"), ["board", "place", "address", "hex", "length", "name", "type", "value", "base64"]],
      ["spinn.write", at("write", "sdram+2M", "1"), ["board", "place", "address", "hex", "length", "seconds", "verified"]],
      ["spinn.fill", at("fill", "sdram+2M", "16"), ["board", "address", "length", "word", "seconds"]],
      ["spinn.heap", at("heap", "0,0", "sysram"), ["board", "chip", "heap", "freeBytes", "blocks"]],
      [
        "spinn.load",
        at("load", "fixtures/apps/hello.aplx", "5,5,1", "--app-id", "50"),
        ["appId", "state", "cores", "chips", "sizeBytes", "refills"],
      ],
      ["spinn.wait", at("wait", "EXIT", "--app-id", "50", "--for", "10s"), ["appId", "states", "cores", "seconds"]],
      ["spinn.iobuf", at("iobuf", "5,5,1"), ["board", "cores"]],
      ["spinn.signal", at("signal", "sync0", "--app-id", "50"), ["board", "signal", "appId"]],
      ["spinn.stop", at("stop", "--app-id", "50"), ["board", "appId", "cores"]],
      ["spinn.router", at("router"), ["board", "chips", "total"]],
      ["spinn.routes", at("routes", "0,0"), ["board", "chip", "routes"]],
      ["spinn.tags", at("tags"), ["board", "tags"]],
      ["spinn.leds", at("leds", "0,0", "0=off"), ["board", "chip", "leds"]],
      ["spinn.bench", at("bench", "--bytes", "16K"), ["board", "chip", "latency", "throughput", "loss"]],
      ["spinn.sensors", ["sensors", "--bmp", BMP], ["bmp", "time", "boards", "failed"]],
      ["spinn.power", ["power", "status", "0", "--bmp", BMP], ["bmp", "action", "slots", "seconds"]],
      ["spinn.doctor", at("doctor"), ["host", "port", "findings", "status"]],
      [
        "spinn.boot",
        at("boot", "fixtures/bringup/simulated.boot"),
        ["board", "alreadyBooted", "scamp", "chips", "expectedChips", "seconds"],
      ],
      ["spinn.help", ["help", "places"], ["topic", "text"]],
      ["spinn.completion", ["completion", "bash"], ["shell", "script"]],
    ];
    for (const [schema, words, members] of verbs) {
      const run = await command([...words, "--json"]);
      expect(run.status, `${words.join(" ")}: ${run.stderr}`).toBe(0);
      const object = jsonOf(run);
      expect(object, words.join(" ")).toMatchObject({ schema, version: 1 });
      expect(Object.keys(object), words.join(" ")).toEqual(expect.arrayContaining(members));
    }
    const error = await spinn(at("read", "7,0", "sdram", "4", "--json"));
    expect(error.status).toBe(5);
    expect(jsonOf(error)).toMatchObject({
      schema: "spinn.error",
      version: 1,
      verb: "read",
      status: 5,
      error: { code: "ERR_SPINN_RETURN_CODE" },
    });
  });

  it("a reader that goes away is no error", async () => {
    const child = start(at("ps", "--all"));
    const stderr = collect(child.stderr!);
    child.stdout!.destroy();
    const [status] = (await once(child, "exit")) as [number];
    expect({ status, stderr: stderr() }).toEqual({ status: 0, stderr: "" });
  });

  it("SPINN_HOST and the inventory name the board, and stderr says so", async () => {
    const byVariable = await spinn(["read", "sv.led_period"], { SPINN_HOST: HOST });
    expect(byVariable).toMatchObject({ status: 0, stderr: `board ${HOST} (from SPINN_HOST)\n` });
    await mkdir(folder.file("spinn"), { recursive: true });
    await writeFile(folder.file("spinn/boards.yaml"), `default: desk\nboards:\n  desk: { host: ${HOST}, bmp: ${BMP} }\n`);
    const variables = { XDG_CONFIG_HOME: folder.path };
    expect((await spinn(["read", "sv.led_period"], variables)).stderr).toMatch(/^board desk \(from .*boards\.yaml\)\n$/);
    expect((await spinn(["power", "status", "0", "--host", "desk"], variables)).status).toBe(0);
    expect((await spinn(["power", "status", "0"], variables)).status).toBe(2);
  });

  it("power off needs a terminal or --yes; the machine is gone then, and comes back", async () => {
    const refused = await spinn(["power", "off", "0", "--bmp", BMP]);
    expect(refused).toMatchObject({ status: 8, stdout: "" });
    expect((await spinn(at("read", "sv.led_period"))).status).toBe(0);
    expect((await spinn(["power", "off", "0", "--bmp", BMP, "--yes"])).stdout).toMatch(/0 {2}off/);
    expect((await spinn(at("ps", "--timeout", "300ms"))).status).toBe(3);
    expect((await spinn(["power", "on", "0", "--bmp", BMP, "--yes", "--settle", "200ms"])).stdout).toMatch(/0 {2}on/);
    const boot = await spinn(at("boot", "fixtures/bringup/simulated.boot", "--settle", "100ms", "--timeout", "300ms"));
    expect(boot.stderr).toMatch(/holds no firmware/);
    expect(boot.stdout).toMatch(/^booted 48\/48 chips in .* \(SC&MP 4\.0\.0\)\n$/);
    expect((await spinn(["reset", "0", "--bmp", BMP])).status).toBe(8);
  });
});

describe("interrupts", () => {
  it("Ctrl-C in the middle of a transfer: status 130, no file, and said so", async () => {
    await using folder = await temporaryFolder();
    await using _machine = await Simulated.start(["--board", "spin3", "--host", local(3), "--faults", "slow"]);
    const child = start(["read", "sdram", "8M", "-o", folder.file("big.bin"), "--host", local(3)]);
    const stderr = collect(child.stderr!);
    while ((await readdir(folder.path)).length === 0) await sleep(10);
    child.kill("SIGINT");
    const [status] = (await once(child, "exit")) as [number];
    expect(status).toBe(130);
    expect(stderr()).toBe("spinn read: interrupted; nothing was left behind\n");
    expect(await readdir(folder.path)).toEqual([]);
  });

  it("a write that is interrupted says what may be half done", async () => {
    await using folder = await temporaryFolder();
    await using _machine = await Simulated.start(["--board", "spin3", "--host", local(5), "--faults", "slow"]);
    await writeFile(folder.file("big.bin"), Buffer.alloc(1 << 20));
    const child = start(["write", "sdram+2M", "--input", folder.file("big.bin"), "--host", local(5), "--json"]);
    const [stdout, stderr] = [collect(child.stdout!), collect(child.stderr!)];
    // Nothing tells from outside that the transfer has begun: connecting takes two round trips of 100 ms.
    await sleep(1500);
    child.kill("SIGINT");
    const [status] = (await once(child, "exit")) as [number];
    expect(status).toBe(130);
    expect(stderr()).toMatch(/a part of the 1048576 bytes at 0x60200000 may have been written/);
    expect(JSON.parse(stdout())).toMatchObject({ schema: "spinn.error", status: 130, error: { code: "ERR_SPINN_ABORTED" } });
  });

  it("iobuf --follow ends with Ctrl-C", async () => {
    await using _machine = await Simulated.start(["--board", "spin3", "--host", local(7)]);
    await spinn(["load", "fixtures/apps/hello.aplx", "0,0,1", "--host", local(7)]);
    const child = start(["iobuf", "0,0,1", "--follow", "--every", "50ms", "--host", local(7)]);
    const stdout = collect(child.stdout!);
    while (!stdout().includes("1024 words")) await sleep(10);
    child.kill("SIGINT");
    const [status] = (await once(child, "exit")) as [number];
    expect(status).toBe(130);
    expect(stdout()).toMatch(/^hello from core 1 of chip 0,0\n1024 words at 0x[0-9a-f]{8}\n$/);
  });
});

describe("bad networks", () => {
  it.each(["doubled", "shuffled", "lossy", "busy"])("%s datagrams: the right values, and -v counts what happened", async (faults) => {
    const host = local({ doubled: 51, shuffled: 53, lossy: 55, busy: 57 }[faults]!);
    await using folder = await temporaryFolder();
    await using _machine = await Simulated.start(["--board", "spin3", "--host", host, "--faults", faults, "--seed", "3"]);
    const bytes = Buffer.from(Array.from({ length: 100_000 }, (_, i) => (i * 31 + (i >> 8)) & 0xff));
    await writeFile(folder.file("in.bin"), bytes);
    expect((await spinn(["write", "sdram+2M", "--input", folder.file("in.bin"), "--host", host])).status).toBe(0);
    const read = await spinn(["read", "sdram+2M", "100000", "-o", folder.file("out.bin"), "-v", "--host", host]);
    expect(read.status).toBe(0);
    expect(Buffer.compare(await readFile(folder.file("out.bin")), bytes)).toBe(0);
    expect(read.stderr).toMatch(/sent \d+, received \d+, window \d+, round trip [\d.]+ ms/);
    // What is overtaken by a few milliseconds needs no repeat: then there is nothing to count.
    if (faults !== "shuffled") expect(read.stderr).toMatch(/, (resent|duplicates|retryCodeResent|late|timeouts) \d/);
  });
});

describe("from no power to results", () => {
  it("a bring-up script, and the same as events", async () => {
    await using folder = await temporaryFolder();
    const [host, bmp] = [local(10), local(101)];
    await using _machine = await Simulated.start([
      "--board",
      "spin5",
      "--host",
      host,
      "--bmp-host",
      bmp,
      "--unpowered",
      "--time-scale",
      "0.02",
    ]);
    const words = [
      "bringup",
      "fixtures/bringup/spin5.yaml",
      "--host",
      host,
      "--bmp",
      bmp,
      "--set",
      "powerSettle=200ms",
      "--set",
      "bootSettle=100ms",
      "--output",
      folder.path,
    ];
    const run = await spinn(words);
    expect(run).toMatchObject({ status: 0, stderr: "" });
    expect(run.stdout).toMatch(/0,0,4: hello from core 4 of chip 0,0.*^done: 10 steps in /ms);
    expect((await readFile(folder.file("hello-table.bin"))).length).toBe(4096);
    const events = await spinn([...words, "--ndjson"]);
    expect(events.status, events.stderr).toBe(0);
    const objects = events.stdout
      .trimEnd()
      .split("\n")
      .map((line) => JSON.parse(line) as Record<string, unknown>);
    expect(objects.every(({ schema, version }) => schema === "spinn.bringup.event" && version === 1)).toBe(true);
    expect(objects.at(-1)).toMatchObject({ event: { type: "end", report: { outcome: "done" } } });
    const dry = await spinn(["bringup", "fixtures/bringup/spin5.yaml", "--dry-run", "--json"]);
    expect(jsonOf(dry)).toMatchObject({ schema: "spinn.bringup", dryRun: true });
  });
});

describe("machines of several boards, old firmware", () => {
  it("triads: each board on its own address, each slot by itself", async () => {
    const machine = await Simulated.start(["--board", "triads:1x1", "--host", local(20), "--bmp-host", local(110)]);
    expect(machine.ready).toMatch(/^ready: 144 chips, .*boards \S+\.20:17893 \S+\.21:17893 \S+\.22:17893, BMPs \S+\.110:17893/);
    const info = await spinn(["info", "--host", local(20)]);
    expect(info.stdout).toMatch(/12 x 12: 144 chips on 3 boards, a torus/);
    expect(info.stdout).toMatch(/0,0 at \S+\.20\n +4,8 at \S+\.2[12]\n +8,4 at \S+\.2[12]\n/);
    expect((await spinn(["power", "status", "0-2", "--bmp", local(110)])).status).toBe(0);
    expect((await spinn(["ps", "--counts", "--host", local(20)])).stdout).toMatch(/48|144 +RUN/);
    expect(await machine.stop()).toBe(0);
  });

  it("dead parts are found and named", async () => {
    const host = ["--host", local(40)];
    await using _machine = await Simulated.start(["--board", "spin5", ...host, "--dead", "7,7", "3,3,5", "1,1:east"]);
    const info = await spinn(["info", ...host]);
    expect(info.stdout).toMatch(
      /dead chips +7,7\ndead cores +3,3 \(16 work\)\ndead links +1,1->2,1 2,1->1,1\nverdict +works, with parts missing/,
    );
    expect((await spinn(["map", ...host])).stdout).toMatch(/ x +no chip answers there: 1 chip\n.*dead link 1,1 east to 2,1/s);
    expect((await spinn(["links", ...host])).stdout).toMatch(/^1,1 +dead +to 2,2/m);
    expect((await spinn(["doctor", ...host])).stdout).toMatch(/odd +machine +47 of 48 chips.*usable, with 1 oddity/s);
    const wrong = await spinn(["simulate", "--dead", "1,1:up"]);
    expect(wrong.status).toBe(2);
    expect(wrong.stderr).toMatch(/links are x,y:east/);
  });

  it("SC&MP 3.4.1 loads by flooding", async () => {
    await using _machine = await Simulated.start(["--board", "spin3", "--host", local(30), "--scamp", "3.4.1"]);
    const host = ["--host", local(30)];
    expect((await spinn(["load", "fixtures/apps/hello.aplx", "@all", ...host])).stdout).toMatch(/of 4 chips as app 30/);
    expect((await spinn(["wait", "EXIT", "--for", "10s", ...host])).status).toBe(0);
    expect((await spinn(["info", ...host])).stdout).toMatch(/SC&MP 3\.4\.1/);
  });
});
