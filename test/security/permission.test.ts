import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { SimulatedMachine } from "../../src/simulator/index.js";
import { collect, ROOT, temporaryFolder } from "../e2e/spinn.js";

/** Node 20 and 22 call it experimental. */
const FLAG = ["--permission", "--experimental-permission"].find((flag) => process.allowedNodeEnvironmentFlags.has(flag));
const HOST = "127.0.116.1";

/** The command, with the right to read the package and what else is said, and no other. */
async function confined(
  rights: readonly string[],
  words: readonly string[],
): Promise<{ status: number | null; stdout: string; stderr: string }> {
  const { SPINN_HOST: _, NODE_OPTIONS: __, ...env } = process.env;
  const node = [FLAG!, `--allow-fs-read=${ROOT}`, ...rights, join(ROOT, "dist/cli/main.js"), ...words];
  const child = spawn(process.execPath, node, {
    cwd: ROOT,
    stdio: ["ignore", "pipe", "pipe"],
    env: { ...env, XDG_CONFIG_HOME: join(ROOT, "none") },
  });
  const [stdout, stderr] = [collect(child.stdout), collect(child.stderr)];
  const [status] = (await once(child, "close")) as [number | null];
  return { status, stdout: stdout(), stderr: stderr() };
}

describe.skipIf(FLAG === undefined)("under Node's permission model", () => {
  let machine: SimulatedMachine;
  let at: readonly string[];
  beforeAll(async () => {
    machine = await SimulatedMachine.start({ board: "spin3", host: HOST, port: 0, timeScale: 0.01 });
    at = ["--host", HOST, "--port", String(machine.boards[0]!.address.port)];
  });
  afterAll(() => machine.close());

  it("verbs that talk to a board need to read the package and no more", async () => {
    for (const words of [["info"], ["map"], ["ps"], ["read", "0,0", "0x60000000", "16"], ["iobuf", "0,0,1"]]) {
      const run = await confined([], [...words, ...at]);
      expect(run, words[0]!).toMatchObject({ status: 0 });
    }
  });

  it("a file is written where that is allowed, and elsewhere that is said", async () => {
    await using folder = await temporaryFolder();
    const words = ["dump", folder.file("out"), "0,0", "0x60000000", "64", ...at];
    const refused = await confined([], words);
    expect(refused.status).not.toBe(0);
    expect(refused.stderr).toMatch(/out|restricted/);
    const rights = [`--allow-fs-read=${folder.path}`, `--allow-fs-write=${folder.path}`];
    expect(await confined(rights, words)).toMatchObject({ status: 0 });
    expect(JSON.parse(await readFile(folder.file("out/dump.json"), "utf8"))).toBeTypeOf("object");
  });
});
