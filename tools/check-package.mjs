// The package as a stranger gets it: packed twice (the bytes must be the same), installed into an empty project, every entry of `exports` imported
// from JavaScript and from TypeScript with its types checked, and the binary run by npx. Needs a build; says what it saw, ends with 1 otherwise.
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, utimesSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("..", import.meta.url));
const place = mkdtempSync(join(tmpdir(), "spinnkit-package-"));
const run = (command, args, cwd) => execFileSync(command, args, { cwd, encoding: "utf8", stdio: ["ignore", "pipe", "inherit"] });
const sha256 = (file) => createHash("sha256").update(readFileSync(file)).digest("hex");

/** Packs into a folder of `place`. */
function pack(folder) {
  const to = join(place, folder);
  mkdirSync(to);
  const [{ filename, files }] = JSON.parse(run("npm", ["pack", "--json", "--loglevel=error", "--pack-destination", to], root));
  return { tarball: join(to, filename), files: files.map(({ path }) => path) };
}

try {
  const { tarball, files } = pack("first");
  const strays = files.filter((path) => !/^(dist|src)\/|^(README|CHANGELOG)\.md$|^LICENSE$|^package\.json$/.test(path));
  if (strays.length > 0) throw new Error(`the package holds files it should not: ${strays.join(", ")}`);
  // Another time of a file must not show: a checkout of another day makes the same package.
  const now = new Date();
  utimesSync(join(root, "LICENSE"), now, now);
  const hashes = [tarball, pack("second").tarball].map(sha256);
  if (hashes[0] !== hashes[1]) throw new Error(`two packs differ: ${hashes.join(" and ")}`);

  const project = join(place, "project");
  mkdirSync(project);
  writeFileSync(join(project, "package.json"), '{ "name": "empty", "version": "0.0.0", "type": "module" }');
  run("npm", ["install", "--no-audit", "--no-fund", "--loglevel=error", tarball], project);
  const { exports, name } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
  const ids = Object.keys(exports)
    .filter((entry) => entry !== "./package.json")
    .map((entry) => name + entry.slice(1));

  // JavaScript: each entry by itself, as a module, and from a CommonJS file.
  const script = ids.map((id) => `if (Object.keys(await import("${id}")).length === 0) throw new Error("${id} exports nothing");`);
  writeFileSync(join(project, "import-all.mjs"), script.join("\n"));
  run(process.execPath, ["import-all.mjs"], project);
  const common = ids.map((id) => `import("${id}").catch((error) => { console.error(error); process.exit(1); });`);
  writeFileSync(join(project, "import-all.cjs"), common.join("\n"));
  run(process.execPath, ["import-all.cjs"], project);

  // TypeScript: the compiler and Node's types are the project's own choice; ours stand in. Declarations are checked too, not skipped.
  mkdirSync(join(project, "node_modules", "@types"), { recursive: true });
  for (const [from, to] of [
    ["@types/node", "@types/node"],
    ["undici-types", "undici-types"],
  ]) {
    symlinkSync(join(root, "node_modules", from), join(project, "node_modules", to));
  }
  const typed = ids.map(
    (id, i) => `import * as entry${i} from "${id}";\nexport const keys${i}: readonly string[] = Object.keys(entry${i});`,
  );
  const used = [
    `import { Transceiver, SpinnError } from "${name}";`,
    `import { SimulatedMachine } from "${name}/simulator";`,
    `export async function count(): Promise<number> {`,
    `  await using machine = await SimulatedMachine.start({ board: "spin3", port: 0 });`,
    `  await using board = await Transceiver.connect({ host: "127.0.0.1", port: machine.boards[0]!.address.port });`,
    `  return (await board.discover()).machine.chips.size satisfies number;`,
    `}`,
    `// @ts-expect-error a code that there is not`,
    `export const wrong = (error: SpinnError): boolean => error.code === "ERR_SPINN_NONE";`,
  ];
  writeFileSync(join(project, "all.ts"), [...typed, ...used].join("\n"));
  for (const module of ["nodenext", "esnext"]) {
    const resolution = module === "esnext" ? "bundler" : "nodenext";
    const options = {
      module,
      moduleResolution: resolution,
      target: "es2022",
      lib: ["es2023", "esnext.disposable"],
      strict: true,
      noEmit: true,
    };
    const config = { compilerOptions: { ...options, types: ["node"], skipLibCheck: false }, files: ["all.ts"] };
    writeFileSync(join(project, "tsconfig.json"), JSON.stringify(config));
    try {
      run(process.execPath, [join(root, "node_modules", "typescript", "bin", "tsc"), "-p", "."], project);
    } catch (error) {
      throw new Error(`types, moduleResolution ${resolution}:\n${error.stdout}`);
    }
  }

  const help = run("npx", ["--no-install", "spinn", "--help"], project);
  if (!help.includes("spinn")) throw new Error("the binary does not print its help");
  // From the tarball alone, as `npx --package` gets it: nothing is installed there before.
  const elsewhere = join(place, "elsewhere");
  mkdirSync(elsewhere);
  copyFileSync(tarball, join(elsewhere, "package.tgz"));
  const version = run("npx", ["--yes", "--package", "./package.tgz", "--", "spinn", "--version"], elsewhere).trim();
  if (!version.startsWith("spinn ")) throw new Error(`npx from the tarball says ${JSON.stringify(version)}`);
  const what = `${files.length} files, ${ids.length} entries from JavaScript and TypeScript, the binary runs by npx (${version})`;
  console.log(`package: ${what}; two packs are the same: sha256 ${hashes[0]}; Node ${process.version}`);
} finally {
  rmSync(place, { recursive: true, force: true });
}
