import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";

const ROOT = fileURLToPath(new URL("../../..", import.meta.url));

test("the example of the README runs as it stands, against the built package", async () => {
  const { default: typescript } = await import("typescript");
  const page = await readFile(join(ROOT, "src/services/stream/README.md"), "utf8");
  const blocks = [...page.matchAll(/```ts\n(.*?)```/gs)].map((match) => match[1]!);
  expect(blocks).toHaveLength(1);
  const folder = await mkdtemp(join(tmpdir(), "spinn-readme-"));
  const picture = join(folder, "raster.svg");
  try {
    const source = blocks[0]!.replace('"raster.svg"', JSON.stringify(picture)).replace("127.79.6.1", `127.79.${process.ppid % 250}.200`);
    const { ModuleKind, ScriptTarget, transpileModule } = typescript;
    const { outputText } = transpileModule(source, { compilerOptions: { module: ModuleKind.ESNext, target: ScriptTarget.ES2022 } });
    // The package finds itself by its name from its own folder.
    const child = spawn(process.execPath, ["--input-type=module", "-e", outputText], { cwd: ROOT, stdio: ["ignore", "pipe", "pipe"] });
    const output = { stdout: "", stderr: "" };
    for (const name of ["stdout", "stderr"] as const) {
      child[name].on("data", (chunk) => {
        output[name] += chunk;
      });
    }
    const [status] = (await once(child, "close")) as [number];
    expect({ status, ...output }).toEqual({ status: 0, stdout: expect.stringMatching(/^2\d\d events, 0 dropped\n$/), stderr: "" });
    expect(await readFile(picture, "utf8")).toMatch(/>stimulus<.*>sweep<.*\(2\d\d spikes\)/s);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
});
