// What `npm start` runs: a simulated 48-chip board without power in a process of its own, brought up from a script by the same command that
// brings up a real one, with a real ARM binary on its cores. Ends by itself; its exit status says whether everything was as it should be.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("..", import.meta.url));
const spinn = join(root, "dist", "cli", "main.js");
const script = join("fixtures", "bringup", "spin5.yaml");
const application = join("fixtures", "apps", "hello.aplx");
/** The simulated board boots twenty times as fast as a real one; the pauses of the script are shortened alike. */
const QUICK = { simulate: ["--time-scale", "0.05"], script: ["--set", "powerSettle=300ms", "--set", "bootSettle=200ms"] };
/** How long the simulated board may take to listen, ms. */
const READY_MS = 10_000;

const colour = process.stdout.isTTY && !process.env.NO_COLOR;
const folder = mkdtempSync(join(tmpdir(), "spinnkit-demo-"));
const startedAt = performance.now();
let board;
let verb;
let status = 1;
for (const [name, code] of Object.entries({ SIGINT: 130, SIGTERM: 143 })) {
  process.on(name, () => {
    verb?.kill(name);
    interrupted = code;
  });
}
let interrupted;
try {
  status = await demo();
} catch (error) {
  console.error(`demo: ${error.message}`);
} finally {
  await end(board);
  rmSync(folder, { recursive: true, force: true });
}
process.exitCode = interrupted ?? status;

async function demo() {
  heading("1. A board on the bench: 48 chips, no power yet (simulated, in a process of its own)");
  const simulate = ["simulate", "--board", "spin5", "--unpowered", "--port", "0", "--json", "--quiet", ...QUICK.simulate];
  command(simulate);
  board = spawn(process.execPath, [spinn, ...simulate], { cwd: root, stdio: ["ignore", "pipe", "inherit"] });
  const ready = await firstLine(board);
  const [host, port] = ready.boards[0].split(":");
  const at = ["--host", host, "--port", port];
  console.log(`the board will answer at ${ready.boards[0]}, its boot ROM at ${ready.boot}, its BMP at ${ready.bmps[0]}`);

  heading("2. Bring it up from a script: power, boot, load a real ARM binary, run it, read results");
  const bootPort = ready.boot.split(":")[1];
  await run(["bringup", script, ...at, "--boot-port", bootPort, "--bmp", ready.bmps[0], ...QUICK.script, "--output", folder]);

  heading("3. The results: 4 KB that core 0,0,1 computed, read from its SDRAM");
  const table = readFileSync(join(folder, "hello-table.bin"));
  console.log(`first words: ${[0, 4, 8, 12].map((i) => `0x${table.readUInt32LE(i).toString(16).padStart(8, "0")}`).join(" ")} ...`);
  const words = expectedTable(1, table.length / 4);
  const wrong = words.filter((word, i) => word !== table.readUInt32LE(4 * i)).length;
  if (wrong > 0) throw new Error(`${wrong} of ${words.length} words are not what the program should have computed`);
  console.log(`all ${words.length} words are what the same computation gives here`);

  heading("4. The same program on every core of the machine");
  await run(["load", application, "@all", ...at]);
  await run(["wait", "EXIT", "--for", "20s", ...at]);
  await run(["map", ...at]);
  await run(["ps", "--counts", ...at]);
  await run(["stop", "--app-id", "30", ...at]);

  const seconds = ((performance.now() - startedAt) / 1000).toFixed(1);
  heading(`Done in ${seconds} s.`);
  console.log(`The same commands work on a real board: give its address as --host, and scamp.boot as the image.
    npx spinn --help               every verb
    npx spinn doctor HOST          why does my board not answer?
    npx spinn simulate             a board to play with, until Ctrl-C`);
  return 0;
}

/** Runs a verb and shows what it says. A verb that fails ends the demo. */
async function run(words) {
  command(words);
  verb = spawn(process.execPath, [spinn, ...words], { cwd: root, stdio: ["ignore", "inherit", "inherit"] });
  const [code, signal] = await once(verb, "exit");
  if (code !== 0) throw new Error(`spinn ${words[0]} ended with ${signal ?? `status ${code}`}`);
}

/** The JSON object on the first line of a child's output. */
function firstLine(child) {
  return new Promise((resolve, reject) => {
    let text = "";
    const timer = setTimeout(() => reject(new Error(`the simulated board did not listen within ${READY_MS / 1000} s`)), READY_MS);
    child.on("error", reject);
    child.on("exit", (code) => reject(new Error(`the simulated board ended with status ${code}`)));
    child.stdout.on("data", (chunk) => {
      text += chunk;
      const at = text.indexOf("\n");
      if (at < 0) return;
      clearTimeout(timer);
      resolve(JSON.parse(text.slice(0, at)));
    });
  });
}

/** What hello.c computes on a core for seed 0: a xorshift sequence. Source: fixtures/apps/hello. */
function expectedTable(core, count) {
  let x = core;
  return Array.from({ length: count }, () => {
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    return x >>> 0;
  });
}

/** Ends the simulated board and waits until it is gone. */
function end(child) {
  if (child === undefined || child.exitCode !== null || child.signalCode !== null) return undefined;
  return new Promise((resolve) => {
    const last = setTimeout(() => child.kill("SIGKILL"), 3000);
    child.once("exit", () => {
      clearTimeout(last);
      resolve();
    });
    child.kill("SIGTERM");
  });
}

function heading(words) {
  console.log(colour ? `\n\u001b[1m${words}\u001b[0m` : `\n${words}`);
}

function command(words) {
  const shown = words.join(" ");
  console.log(colour ? `\u001b[90m$ spinn ${shown}\u001b[0m` : `$ spinn ${shown}`);
}
