import { createSocket } from "node:dgram";
import { once } from "node:events";
import { writeFile } from "node:fs/promises";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Client } from "../../src/services/rpc/index.js";
import { addresses, collect, command, jsonOf, Simulated, spinn, start, temporaryFolder } from "./spinn.js";

const at = addresses(3);

describe("a machine with a control port", () => {
  const host = at(1);
  let machine: Simulated;
  let control: string;
  let folder: Awaited<ReturnType<typeof temporaryFolder>>;
  beforeAll(async () => {
    folder = await temporaryFolder();
    machine = await Simulated.start(["--board", "spin3", "--host", host, "--control", "0", "--record", folder.file("session.pcap")]);
    control = /control (127\.0\.0\.1:\d+)\n$/.exec(machine.ready)![1]!;
  });
  afterAll(async () => {
    await machine.stop();
    await folder[Symbol.asyncDispose]();
  });

  it("shows and switches its faults", async () => {
    expect(await command(["faults", control])).toEqual({ status: 0, stdout: "none\n", stderr: "" });
    expect((await command(["faults", control, "lossy", "--seed", "7"])).stdout).toBe("lossy: toBoard.loss=0.05 toHost.loss=0.05\n");
    const added = await command(["faults", control, "--add", "dead.links=0,0:east", "--json"]);
    expect(jsonOf(added)).toEqual({
      schema: "spinn.faults",
      version: 1,
      name: null,
      members: { toBoard: { loss: 0.05 }, toHost: { loss: 0.05 }, dead: { links: ["0,0:east"] } },
    });
    expect((await command(["faults", control, "off"])).stdout).toBe("none\n");
    expect((await command(["faults", control, "--list"])).stdout).toMatch(/^slow-bmp +bmpDelayMs=2000$/m);
  });

  it("takes faults and timelines from files", async () => {
    await writeFile(folder.file("faults.yaml"), "toHost: { loseEvery: 3 }\n");
    expect((await command(["faults", control, folder.file("faults.yaml")])).stdout).toBe("toHost.loseEvery=3\n");
    await writeFile(folder.file("time.yaml"), "seed: 3\nfaults: none\nsteps:\n  - at: 1 requests\n    faults: slow\n");
    expect((await command(["faults", control, folder.file("time.yaml")])).stdout).toBe("none\n");
    expect((await command(["info", "--host", host])).status).toBe(0);
    expect((await command(["faults", control, "--json"])).stdout).toMatch(/"name":"slow"/);
    await writeFile(folder.file("bad.yaml"), "steps:\n  - at: 1 requests\n    fault: slow\n");
    const bad = await command(["faults", control, folder.file("bad.yaml")]);
    expect(bad).toMatchObject({ status: 2, stderr: expect.stringMatching(/step 1 .*no member "fault".*known are at/) as string });
    expect((await command(["faults", control, "off"])).status).toBe(0);
  });

  it("refuses what is wrong with a hint, and nothing changes", async () => {
    const mistakes: [string[], number, RegExp][] = [
      [[control, "losy"], 2, /did you mean lossy/],
      [[control, "loss=1"], 2, /toBoard\.loss or toHost\.loss/],
      [[control, "toHost.loss=3"], 2, /from 0 to 1, not 3/],
      [[control, "dead.chips=9,9"], 2, /chip 9,9.*2 x 2/],
      [[control, "off", "lossy"], 2, /off stands alone/],
      [["127.0.0.1"], 2, /no port/],
      [["127.0.0.1:1"], 4, /cannot connect/],
    ];
    for (const [words, status, said] of mistakes) {
      const run = await command(["faults", ...words]);
      expect(run).toMatchObject({ status, stdout: "" });
      expect(run.stderr).toMatch(said);
    }
    expect((await command(["faults", control])).stdout).toBe("none\n");
  });

  it("has methods for power, reset, counters and recording", async () => {
    const [address, port] = control.split(":") as [string, string];
    await using client = await Client.connect(address, Number(port), { target: "machine" });
    expect(await client.call("set_recording", [false])).toBe(true);
    expect(await client.call("get_status")).toMatchObject({ ready: true, recording: false, boards: [{ powered: true, booted: true }] });
    await client.call("set_recording", [true]);
    await client.call("power", [false]);
    expect(await client.call("get_status")).toMatchObject({ ready: false, boards: [{ powered: false, waiting: false }] });
    await client.call("power", [true], { boards: [0] });
    expect(await client.call("get_status")).toMatchObject({ boards: [{ powered: true, booted: false, waiting: true }] });
    expect(await client.call("get_counters")).toMatchObject({ boards: [{ dropped: { unbooted: 0 } }], bmps: [] });
    await expect(client.call("power", [false], { boards: [7] })).rejects.toThrow(/from 0 to 0/);
    await expect(client.call("power", ["off"])).rejects.toThrow(/True or False/);
    await expect(client.call("set_faults", ["none", -1])).rejects.toThrow(/seed/);
  });

  it("leaves a recording that a fresh machine answers the same", async () => {
    expect(await machine.stop()).toBe(0);
    const same = await command(["replay", folder.file("session.pcap"), "--board", "spin3", "--pace", "0", "--json"]);
    expect(same.status).toBe(0);
    const report = jsonOf(same);
    expect(report).toMatchObject({ schema: "spinn.replay", different: 0, skipped: 0, differences: [] });
    expect(report["compared"]).toBeGreaterThan(5);
    const other = await command(["replay", folder.file("session.pcap"), "--board", "spin3", "--scamp", "3.4.1", "--pace", "0"]);
    expect(other.status).toBe(1);
    expect(other.stdout).toMatch(/^request 1, 0\.000 s, to 127\.77\.\d+\.1:17893: VER 255,255,0 .*\n {2}recorded {2}48 bytes\n/);
    expect(other.stdout).toMatch(/ {2}differ {4}bytes 42, 44, 46\n/);
    expect(other.stdout).toMatch(/\d+ requests, \d+ answers compared: \d+ the same, \d+ different/);
  });

  it("can be replayed against another host, and only against one", async () => {
    await using target = await Simulated.start(["--board", "spin3", "--host", at(9)]);
    expect(target.ready).toMatch(/ready/);
    const run = await command(["replay", folder.file("session.pcap"), "--host", at(9), "--pace", "0"]);
    expect(run).toMatchObject({ status: 0, stdout: expect.stringContaining("all the same") as string });
    const silent = await command(["replay", folder.file("session.pcap"), "--host", at(10), "--pace", "0", "--timeout", "50ms"]);
    expect(silent).toMatchObject({ status: 3, stderr: expect.stringMatching(/answers nothing/) as string });
    const mistakes: [string[], RegExp][] = [
      [["--host", at(9), "--board", "spin3"], /--host is a board/],
      [["--bmp", at(9)], /go with --host/],
      [["--host", at(9), "--recorded", "10.0.0.1"], /no board 10\.0\.0\.1/],
      [["--unbooted", "--booted"], /not both/],
    ];
    for (const [words, said] of mistakes) {
      const wrong = await command(["replay", folder.file("session.pcap"), ...words]);
      expect([wrong.status, wrong.stderr]).toEqual([2, expect.stringMatching(said)]);
    }
    expect((await command(["replay", "package.json"])).stderr).toMatch(/no pcap file/);
  });
});

it("a timeline given at the start happens and is told", async () => {
  await using folder = await temporaryFolder();
  await writeFile(folder.file("t.yaml"), "steps:\n  - at: 10ms\n    power: off\n  - at: 20ms\n    power: on\n    faults: lossy\n");
  const child = start(["simulate", "--board", "spin3", "--host", at(20), "--faults", folder.file("t.yaml")]);
  const stderr = collect(child.stderr!);
  await expect.poll(() => stderr()).toBe("at 10ms: power off\nat 20ms: faults lossy, power on\n");
  child.kill("SIGTERM");
});

it("an unbooted machine broadcasts its hello, which discover hears", async () => {
  const heard = spinn(["discover", "--listen", "127.255.255.255", "--until", "1", "--for", "20s", "--json"]);
  await using machine = await Simulated.start([
    "--board",
    "spin3",
    "--unbooted",
    "--host",
    at(30),
    "--hello",
    "127.255.255.255",
    "--time-scale",
    "0.05",
  ]);
  expect(machine.ready).toMatch(/not booted/);
  expect(jsonOf(await heard)).toMatchObject({ boards: [{ host: at(30), rom: "2.1" }] });
});

it("a control port that is none, or taken", async () => {
  expect(await command(["simulate", "--control", "x:y"])).toMatchObject({
    status: 2,
    stderr: expect.stringContaining("no port") as string,
  });
  await using machine = await Simulated.start(["--board", "spin3", "--host", at(40), "--control", "0"]);
  const port = machine.ready.split(":").at(-1)!.trim();
  const taken = await command(["simulate", "--board", "spin3", "--host", at(41), "--control", port]);
  expect(taken).toMatchObject({ status: 4, stderr: expect.stringContaining("cannot listen") as string });
});

describe("a machine of emulated chips", () => {
  const image = new URL("../../fixtures/firmware/monitor.boot", import.meta.url).pathname;

  it("boots an image and lets it answer", async () => {
    await using machine = await Simulated.start(["--firmware", image, "--board", "spin3", "--host", at(50), "--json"]);
    expect(JSON.parse(machine.ready)).toMatchObject({
      ready: true,
      chips: 4,
      state: "booted",
      scamp: "9.9.9",
      boards: [`${at(50)}:17893`],
      firmware: image,
    });
    const socket = createSocket("udp4");
    socket.send("echo", 17893, at(50));
    const [reply] = (await once(socket, "message")) as [Buffer];
    socket.close();
    expect(reply.toString()).toBe("echo");
    expect(await machine.stop()).toBe(0);
  });

  it("waits for an image when none is named", async () => {
    await using machine = await Simulated.start(["--firmware", "--board", "spin3", "--host", at(51)]);
    expect(machine.ready).toBe(`ready: 4 chips, not booted, emulated chips, boot ROM ${at(51)}:54321, board ${at(51)}:17893\n`);
  });

  it("refuses what does not go together, and images that are none", async () => {
    const mistakes: [string[], RegExp][] = [
      [["--firmware", image, "--faults", "lossy"], /--faults does not go with --firmware/],
      [["--firmware", image, "--unbooted"], /leave out the image/],
      [["--speed", "2"], /--speed is for --firmware/],
      [["--firmware", image, "--speed", "fast"], /no number above zero/],
      [["--firmware", "package.json", "--board", "spin3", "--host", at(52)], /no SC&MP\n {2}give scamp\.boot/],
      [["--firmware", "nowhere.boot", "--host", at(52)], /there is no such file/],
    ];
    for (const [words, said] of mistakes) {
      const { status, stderr } = await command(["simulate", ...words]);
      expect({ words, status, said: said.test(stderr) }).toEqual({ words, status: 2, said: true });
    }
  });
});
