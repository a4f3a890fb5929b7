import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, it } from "vitest";
import { collect } from "../e2e/spinn.js";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
/** Rooms whose page has a test of its own, because its example writes files or takes a board or a cluster. */
const ELSEWHERE = new Set(["cli", "bringup", "services/stream", "services/cluster"]);
const ROOMS = Object.keys((JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8")) as { exports: Record<string, unknown> }).exports)
  .filter((name) => name !== "./package.json")
  .map((name) => name.replace(/^\.\/?/, "") || "transceiver");

const folderOf = (room: string): string =>
  ["stream", "rpc", "publish", "inspect", "allocation", "cluster"].includes(room) ? `services/${room}` : room;

/** The example of a room's page. */
function example(folder: string): string {
  const page = readFileSync(join(ROOT, "src", folder, "README.md"), "utf8");
  const blocks = [...page.matchAll(/```ts\n(.*?)```/gs)].map((match) => match[1]!);
  expect(blocks, folder).toHaveLength(1);
  return blocks[0]!;
}

const folders = [...ROOMS.map(folderOf), "commands"].filter((folder) => !ELSEWHERE.has(folder));
const EXPECTED: Readonly<Record<string, string>> = {
  wire: "26 256\n",
  machine: "12 12 { x: 0, y: 0 }\nSYNC0 SDRAM 16\n1\n",
  connections: "true 1\n",
  commands: "LED 0 is on\n",
  transceiver: "48 [ 1, 2, 3 ]\n",
  simulator: "47 true\n",
  emulator: "hello from core 1 of chip 0,0\n",
  controller: "true\n",
  web: "200\n",
  engine: "[ Uint8Array(3) [ 1, 2, 3 ], Uint8Array(3) [ 1, 2, 3 ] ]\nSC&MP\n",
  "services/rpc": "5\n",
  "services/publish": "21\n",
  "services/inspect": "42\n",
};
/** Those of the others need servers that are not here: they are only compiled. */
const running = folders.filter((folder) => !example(folder).startsWith("// Needs "));

it.each(running)("the example of src/%s/README.md prints what it should", async (folder) => {
  const { ModuleKind, ScriptTarget, transpileModule } = (await import("typescript")).default;
  const { outputText } = transpileModule(example(folder), { compilerOptions: { module: ModuleKind.ESNext, target: ScriptTarget.ES2022 } });
  // The package finds itself by its name from its own folder.
  const child = spawn(process.execPath, ["--input-type=module", "-e", outputText], { cwd: ROOT, stdio: ["ignore", "pipe", "pipe"] });
  const [stdout, stderr] = [collect(child.stdout!), collect(child.stderr!)];
  const [status] = (await once(child, "close")) as [number];
  expect({ status, stderr: stderr(), stdout: stdout() }).toEqual({ status: 0, stderr: "", stdout: EXPECTED[folder] });
});

it("every example compiles", async () => {
  const place = mkdtempSync(join(ROOT, "node_modules", ".cache", "rooms-"));
  try {
    symlinkSync(ROOT, join(place, "spinnkit"), "dir");
    const files = folders.map((folder) => {
      const file = join(place, `${folder.replace("/", "-")}.mts`);
      writeFileSync(
        file,
        example(folder).replaceAll(/from "spinnkit(\/[a-z]+)?"/g, (_, sub: string = "") => `from "${ROOT}dist/${built(sub)}index.js"`),
      );
      return relative(ROOT, file);
    });
    const options =
      "--ignoreConfig --noEmit --strict --target es2022 --lib es2023,esnext.disposable --module nodenext --types node --skipLibCheck";
    const compiler = [join(ROOT, "node_modules/typescript/bin/tsc"), ...options.split(" "), ...files];
    const child = spawn(process.execPath, compiler, { cwd: ROOT, stdio: ["ignore", "pipe", "pipe"] });
    const stdout = collect(child.stdout!);
    await once(child, "close");
    expect(stdout()).toBe("");
  } finally {
    rmSync(place, { recursive: true, force: true });
  }
}, 60_000);

/** Folder in `dist` of an entry of the package, with a slash behind it. */
function built(sub: string): string {
  return sub === "" ? "" : `${folderOf(sub.slice(1))}/`;
}
