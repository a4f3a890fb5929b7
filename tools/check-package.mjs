// Packs the project, installs the tarball into an empty project, imports every entry of `exports`, and runs the binary.
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("..", import.meta.url));
const place = mkdtempSync(join(tmpdir(), "spinnkit-package-"));
const run = (command, args, cwd) => execFileSync(command, args, { cwd, encoding: "utf8", stdio: ["ignore", "pipe", "inherit"] });

try {
  const [{ filename, files }] = JSON.parse(run("npm", ["pack", "--json", "--loglevel=error", "--pack-destination", place], root));
  const strays = files
    .map(({ path }) => path)
    .filter((path) => !/^(dist|src)\/|^(README|CHANGELOG)\.md$|^LICENSE$|^package\.json$/.test(path));
  if (strays.length > 0) throw new Error(`the package holds files it should not: ${strays.join(", ")}`);

  writeFileSync(join(place, "package.json"), '{ "name": "empty", "version": "0.0.0", "type": "module" }');
  run("npm", ["install", "--no-audit", "--no-fund", "--loglevel=error", join(place, filename)], place);
  const { exports, name } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
  const entries = Object.keys(exports).filter((entry) => entry !== "./package.json");
  const script = entries
    .map((entry) => name + entry.slice(1))
    .map((id) => `if (Object.keys(await import("${id}")).length === 0) throw new Error("${id} exports nothing");`);
  writeFileSync(join(place, "import-all.mjs"), script.join("\n"));
  run(process.execPath, ["import-all.mjs"], place);
  const help = run("npx", ["--no-install", "spinn", "--help"], place);
  if (!help.includes("spinn")) throw new Error("the binary does not print its help");
  console.log(`package: ${files.length} files, ${entries.length} entries import, the binary runs`);
} finally {
  rmSync(place, { recursive: true, force: true });
}
