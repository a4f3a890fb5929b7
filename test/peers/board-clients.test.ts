import { spawn } from "node:child_process";
import { readFileSync } from "node:fs";
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

function run(command: string, args: readonly string[], input = ""): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, {
      stdio: ["pipe", "pipe", "pipe"],
      timeout: 100_000,
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
    const lines = readFileSync(here("ybug_session.txt"), "utf8").replaceAll(/^#.*\n/gm, "");
    const output = await run("perl", ["-I.", "ybug", "-norl", "-expert", `${net}.5.1`], lines);
    expect(output).toContain("SC&MP 4.0.0 at SpiNNaker:0,0,0");
    expect(output).toContain("60240000 = 12345678");
    expect(output).toMatch(/BLOCK {2}60640010 .* size 119275488/);
    expect(output).not.toMatch(/error|bad/i);
  }, 120_000);
});
