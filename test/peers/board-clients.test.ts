import { spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { armProgram } from "../../src/emulator/index.js";
import { SimulatedMachine } from "../../src/simulator/index.js";

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

describe.runIf(peers !== undefined)("clients of the field", () => {
  it("rig boots a SpiNN-3 with its own 3.1 image and does all its work", async () => {
    await using _machine = await SimulatedMachine.start({
      board: "spin3",
      host: "127.31.1.1",
      booted: false,
      timeScale: 0.1,
      programs: armProgram(),
    });
    const output = await run("/usr/bin/python3", [
      here("rig_session.py"),
      `${peers}/project-rig+rig`,
      "127.31.1.1",
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
    await using _machine = await SimulatedMachine.start({
      board: "spin5",
      host: "127.31.3.1",
      booted: false,
      timeScale: 0.1,
      programs: armProgram(),
    });
    const output = await run("/usr/bin/python3", [
      here("spinnman_session.py"),
      peers!,
      "127.31.3.1",
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
    await using _machine = await SimulatedMachine.start({ board: "spin3", host: "127.31.5.1", programs: armProgram() });
    const lines = readFileSync(here("ybug_session.txt"), "utf8").replaceAll(/^#.*\n/gm, "");
    const output = await run("perl", ["-I.", "ybug", "-norl", "-expert", "127.31.5.1"], lines);
    expect(output).toContain("SC&MP 4.0.0 at SpiNNaker:0,0,0");
    expect(output).toContain("60240000 = 12345678");
    expect(output).toMatch(/BLOCK {2}60640010 .* size 119275488/);
    expect(output).not.toMatch(/error|bad/i);
  }, 120_000);
});
