// Makes a checkout ready: installs when package-lock.json changed, builds when a source changed, otherwise does nothing and is quick.
//   node tools/setup.mjs [--build] [--quiet]        --build: build even if nothing seems to have changed
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { copyFileSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = join(dirname(fileURLToPath(import.meta.url)), "..");
const cache = join(root, "node_modules", ".cache", "spinnkit");
const quiet = process.argv.includes("--quiet");

const [major, minor] = process.versions.node.split(".").map(Number);
if (major < 20 || (major === 20 && minor < 19)) {
  console.error(`spinnkit needs Node 20.19 or newer; this is ${process.version}`);
  process.exit(1);
}

const lock = createHash("sha256")
  .update(readFileSync(join(root, "package-lock.json")))
  .digest("hex");
if (stamp("lock") !== lock) {
  say("installing dependencies");
  // Not `npm ci`: it refuses a lockfile that lacks optional packages of other platforms, which mirrors of the registry may not carry.
  run("npm", ["install", "--no-save", "--no-audit", "--no-fund", "--loglevel=error"]);
  mkdirSync(cache, { recursive: true });
  writeFileSync(join(cache, "lock"), lock);
}

const sources = fingerprint();
if (process.argv.includes("--build") || stamp("sources") !== sources || !existsSync(join(root, "dist", "index.js"))) {
  say("building");
  rmSync(join(root, "dist"), { recursive: true, force: true });
  for (const name of ["tsconfig", "page"]) rmSync(join(cache, `${name}.tsbuildinfo`), { force: true });
  // The page is for browsers: other globals than Node's, so a compilation of its own.
  for (const project of ["tsconfig.json", join("src", "page", "tsconfig.json")]) {
    run(process.execPath, [join("node_modules", "typescript", "bin", "tsc"), "-p", project]);
  }
  for (const name of readdirSync(join(root, "src", "page"))) {
    if (/\.(html|css|svg)$/.test(name)) copyFileSync(join(root, "src", "page", name), join(root, "dist", "page", name));
  }
  writeFileSync(join(cache, "sources"), sources);
}

/** Size and time of every source file and of the compiler's settings, as one hash: two thousand stats cost some milliseconds. */
function fingerprint() {
  const hash = createHash("sha256");
  const files = readdirSync(join(root, "src"), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .sort();
  for (const file of [...files, join(root, "tsconfig.json"), join(root, "package.json")]) {
    const { size, mtimeMs } = statSync(file);
    hash.update(`${file}\0${size}\0${mtimeMs}\n`);
  }
  return hash.digest("hex");
}

function stamp(name) {
  const file = join(cache, name);
  return existsSync(file) ? readFileSync(file, "utf8") : undefined;
}

function run(command, args) {
  const { status, error } = spawnSync(command, args, {
    cwd: root,
    stdio: ["ignore", quiet ? "ignore" : "inherit", "inherit"],
    shell: false,
  });
  if (error || status !== 0) {
    console.error(`${command} ${args.join(" ")} failed${error ? `: ${error.message}` : ""}`);
    process.exit(status || 1);
  }
}

function say(words) {
  if (!quiet) console.error(`setup: ${words}`);
}
