import { spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { armProgram } from "../../src/emulator/index.js";
import { SiliconMachine, SimulatedMachine } from "../../src/simulator/index.js";

/**
 * Clients that nobody here wrote, unmodified, against the simulated machine. Runs where SPINN_PEERS names a folder with checkouts called
 * `owner+name`; see test/README.md.
 */
const peers = process.env["SPINN_PEERS"];
const here = (file: string) => fileURLToPath(new URL(file, import.meta.url));
const application = here("../../fixtures/apps/hello.aplx");

interface Step {
  readonly step: string;
  readonly ok: boolean;
  readonly saw: string;
}

/** Lines for a prompt, without the comments of the file. */
function linesOf(file: string): string {
  return readFileSync(here(file), "utf8").replaceAll(/^#.*\n/gm, "");
}

function run(command: string, args: readonly string[], input = "", variables: Readonly<Record<string, string>> = {}): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, {
      stdio: ["pipe", "pipe", "pipe"],
      timeout: 100_000,
      env: { ...process.env, ...variables },
      ...(command === "perl" ? { cwd: `${peers}/SpiNNakerManchester+spinnaker_tools/tools` } : {}),
    });
    let text = "";
    child.stdout.on("data", (data) => {
      text += data;
    });
    child.stderr.on("data", (data) => {
      text += data;
    });
    child.on("error", reject);
    child.on("close", () => resolve(text));
    child.stdin.end(input);
  });
}

function steps(output: string): Step[] {
  return output.split("\n").flatMap((line) => (line.startsWith('{"step"') ? [JSON.parse(line) as Step] : []));
}

/** The same work on chips of which nothing is played: each client boots its own image, and the real firmware answers it. */
const KINDS = [
  { kind: "the simulated machine", net: "127.31", start: startSimulated },
  { kind: "emulated chips", net: "127.33", start: startEmulated },
] as const;

function startSimulated(board: "spin3" | "spin5", host: string, booted: boolean): Promise<AsyncDisposable> {
  return SimulatedMachine.start({ board, host, booted, timeScale: 0.1, programs: armProgram() });
}

async function startEmulated(board: "spin3" | "spin5", host: string, booted: boolean): Promise<AsyncDisposable> {
  const image = readFileSync(`${peers}/SpiNNakerManchester+SpiNNMan/spinnman/messages/spinnaker_boot/boot_data/scamp.boot`);
  const machine = await SiliconMachine.start({ board, host, timeScale: 0.1, ...(booted ? { image } : {}) });
  if (booted) await machine.ready;
  return machine;
}

describe.runIf(peers !== undefined).each(KINDS)("clients of the field and $kind", ({ net, start }) => {
  it("rig boots a SpiNN-3 with its own 3.1 image and does all its work", async () => {
    await using _machine = await start("spin3", `${net}.1.1`, false);
    const output = await run("/usr/bin/python3", [
      here("rig_session.py"),
      `${peers}/project-rig+rig`,
      `${net}.1.1`,
      "--boot",
      "--chips",
      "4",
      "--aplx",
      application,
    ]);
    const all = steps(output);
    expect(
      all.filter((step) => !step.ok),
      output.slice(-2000),
    ).toEqual([]);
    expect(all.length).toBeGreaterThan(55);
    expect(all.find((step) => step.step === "iobuf")?.saw).toMatch(/hello from core 1/);
  }, 120_000);

  it("SpiNNMan boots a SpiNN-5 with its own 4.0.0 image and does all its work", async () => {
    await using _machine = await start("spin5", `${net}.3.1`, false);
    const output = await run("/usr/bin/python3", [
      here("spinnman_session.py"),
      peers!,
      `${net}.3.1`,
      "--chips",
      "48",
      "--aplx",
      application,
    ]);
    const all = steps(output);
    expect(
      all.filter((step) => !step.ok),
      output.slice(-2000),
    ).toEqual([]);
    expect(all.length).toBeGreaterThan(50);
  }, 120_000);

  it("ybug reads and writes everything it can show", async () => {
    await using _machine = await start("spin3", `${net}.5.1`, true);
    const output = await run("perl", ["-I.", "ybug", "-norl", "-expert", `${net}.5.1`], linesOf("ybug_session.txt"));
    expect(output).toContain("SC&MP 4.0.0 at SpiNNaker:0,0,0");
    expect(output).toContain("60240000 = 12345678");
    expect(output).toMatch(/BLOCK {2}60640010 .* size 119275488/);
    expect(output).not.toMatch(/error|bad/i);
  }, 120_000);
});

describe.runIf(peers !== undefined)("clients of the field, power, several boards and lost answers", () => {
  it("rig switches a SpiNN-5 through its BMP, boots it and does all its work", async () => {
    await using _machine = await SimulatedMachine.start({ host: "127.31.7.1", powered: false, timeScale: 0.02, programs: armProgram() });
    const words = [`${peers}/project-rig+rig`, "127.31.7.1", "--bmp", "127.31.7.129", "--boot", "--chips", "48", "--aplx", application];
    const output = await run("/usr/bin/python3", [here("rig_session.py"), ...words]);
    const all = steps(output);
    expect(
      all.filter((step) => !step.ok),
      output.slice(-2000),
    ).toEqual([]);
    expect(all.find((step) => step.step === "bmp power off and on")?.ok).toBe(true);
    expect(all.length).toBeGreaterThan(70);
  }, 120_000);

  it("SpiNNMan boots a torus of three boards and does all its work", async () => {
    await using _machine = await SimulatedMachine.start({
      board: { triads: [1, 1] },
      host: "127.31.9.1",
      booted: false,
      timeScale: 0.1,
      programs: armProgram(),
    });
    const words = [peers!, "127.31.9.1", "--bmp", "127.31.9.129", "--boards", "3", "--chips", "144", "--aplx", application];
    const output = await run("/usr/bin/python3", [here("spinnman_session.py"), ...words]);
    const all = steps(output);
    expect(
      all.filter((step) => !step.ok),
      output.slice(-2000),
    ).toEqual([]);
    expect(all.length).toBeGreaterThan(70);
  }, 120_000);

  it.each(["rig", "SpiNNMan", "ybug"])(
    "%s finishes when every tenth answer is lost",
    async (client) => {
      const host = `127.31.${15 + client.length}.1`;
      await using machine = await SimulatedMachine.start({
        board: "spin3",
        host,
        scamp: client === "SpiNNMan" ? "4.0.0" : "3.4.1",
        faults: "every-tenth",
        programs: armProgram(),
      });
      const sessions: Record<string, () => Promise<string>> = {
        rig: () =>
          run("/usr/bin/python3", [here("rig_session.py"), `${peers}/project-rig+rig`, host, "--chips", "4", "--aplx", application]),
        SpiNNMan: () =>
          run("/usr/bin/python3", [here("spinnman_session.py"), peers!, host, "--version", "3", "--chips", "4", "--aplx", application]),
        ybug: () => run("perl", ["-I.", "ybug", "-norl", "-expert", host], linesOf("ybug_session.txt")),
      };
      const output = await sessions[client]!();
      expect(
        steps(output).filter((step) => !step.ok),
        output.slice(-2000),
      ).toEqual([]);
      expect(output).toMatch(client === "ybug" ? /60240000 = 12345678/ : /"step": "end", "ok": true/);
      expect(machine.boards[0]!.counters.dropped.fault).toBeGreaterThan(8);
    },
    120_000,
  );

  it("bmpc reads and writes everything of a BMP", async () => {
    await using machine = await SimulatedMachine.start({ host: "127.31.11.1", timeScale: 0.02 });
    const output = await run("perl", ["-I.", "bmpc", "-norl", "127.31.11.129"], linesOf("bmpc_session.txt"));
    expect(output).toContain("BC&MP 2.1.2 at Spin5-BMP:0");
    expect(output).toMatch(/ {2}0 {3}10000 {3}2\.1\.2 .*2\.1\.2 .*2\.1\.2 /);
    expect(output).toMatch(/VPWR +12\.0\d/);
    expect(output).toMatch(/0000004c = 00001234/);
    expect(output.match(/00040004 = [0-9a-f]{8}/g)).toEqual(["00040004 = 00000030", "00040004 = ffffffff", "00040004 = 00000030"]);
    expect(output).toMatch(/^10000100 {2}deadbeef/m);
    expect(output).not.toMatch(/error|bad /i);
    // Power off, power on, reset: the board waits for an image.
    expect(machine.boards[0]!.boot.isWaiting).toBe(true);
  }, 120_000);

  it("ybug powers a board, boots it with a 3.1 image, loads and steers applications", async () => {
    await using _machine = await SimulatedMachine.start({ host: "127.31.13.1", powered: false, timeScale: 0.1, programs: armProgram() });
    const folder = await mkdtemp(join(tmpdir(), "spinn-ybug-"));
    try {
      const table = new DataView(new ArrayBuffer(16 * 5));
      for (let i = 0; i < 4; i += 1)
        for (const [at, word] of [i, 1 << i, 0x1000 * i, 0xfffff000].entries()) table.setUint32(16 * i + 4 * at, word, true);
      for (let at = 64; at < 80; at += 4) table.setUint32(at, 0xffffffff, true);
      await writeFile(join(folder, "table.rtr"), new Uint8Array(table.buffer));
      const lines = linesOf("ybug_boot_session.txt").replaceAll("APLX", application).replaceAll("FOLDER", folder);
      const words = ["-I.", "ybug", "-norl", "-expert", "-bmp", "127.31.13.129/0", "127.31.13.1"];
      const output = await run("perl", words, lines, { SPINN_PATH: `${peers}/project-rig+rig/rig/boot` });
      expect(output).toContain("Booted SC&MP 3.1.0 on 48 chips");
      expect(output.match(/Count 3/g)).toHaveLength(2);
      expect(output).toContain("hello from core 1 of chip 0,0");
      expect(output).toMatch(/ 4: {2}000000000000000000 001000 {2}00003000 {2}fffff000 +40 /);
      expect(output).toMatch(/^ {2}2 {2}0\.0\.0\.0 +0 {2}50002 +0 +RS /m);
      expect(output).toMatch(/^ 17 {2}----/m);
      expect(output).not.toMatch(/error|bad /i);
      const image = await readFile(application);
      expect(Buffer.compare(await readFile(join(folder, "block.bin")), image.subarray(0, 256))).toBe(0);
    } finally {
      await rm(folder, { recursive: true });
    }
  }, 120_000);
});
