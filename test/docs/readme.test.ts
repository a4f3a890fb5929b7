import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { expect, it } from "vitest";

const root = fileURLToPath(new URL("../..", import.meta.url));
const readme = readFileSync(join(root, "README.md"), "utf8");
const blocks = (language: string) =>
  [...readme.matchAll(new RegExp(`\`\`\`${language}\\n([\\s\\S]*?)\`\`\``, "g"))].map((match) => match[1]!);
const run = promisify(execFile);
const spinn = join(root, "dist", "cli", "main.js");

it("the shell lines against a simulated board do what they say", async () => {
  const sections = blocks("sh");
  const simulate = sections.find((block) => block.includes("spinn simulate"))!.trim();
  const lines = sections[sections.findIndex((block) => block.includes("spinn simulate")) + 1]!.trim().split("\n");
  expect(lines.length).toBeGreaterThan(8);
  const words = (line: string) => line.replace(/#.*/, "").trim().split(/\s+/).slice(2);
  const board = spawn(process.execPath, [spinn, ...words(simulate), "--host", "127.78.1.1"], { stdio: ["ignore", "pipe", "inherit"] });
  try {
    await once(board.stdout!, "data");
    const env = { ...process.env, SPINN_HOST: "127.78.1.1", NO_COLOR: "1" };
    const output = new Map<string, string>();
    for (const line of lines) output.set(line, (await run(process.execPath, [spinn, ...words(line)], { cwd: root, env })).stdout);
    const of = (verb: string) => [...output].find(([line]) => line.startsWith(`npx spinn ${verb}`))![1];
    expect(of("info")).toMatch(/48 chips/);
    expect(of("iobuf")).toMatch(/hello from core 5 of chip 1,1/);
    expect(of("ps")).toMatch(/808 {2}EXIT/);
    expect(of("read 0,0")).toMatch(/78 56 34 12/);
  } finally {
    board.kill();
    await once(board, "exit");
  }
}, 60_000);

it("every verb and option in the README exists", async () => {
  const lines = blocks("sh")
    .flatMap((block) => block.split("\n"))
    .filter((line) => line.startsWith("npx spinn "));
  for (const line of lines) {
    const [verb, ...rest] = line.replace(/#.*/, "").trim().split(/\s+/).slice(2);
    const { stdout } = await run(process.execPath, [spinn, verb!, "--help"]);
    for (const option of rest.filter((word) => word.startsWith("--"))) expect(stdout, line).toContain(option);
  }
}, 60_000);

it("the TypeScript is right as it stands", async () => {
  const place = mkdtempSync(join(root, "node_modules", ".cache", "readme-"));
  try {
    symlinkSync(root, join(place, "spinnkit"), "dir");
    const files = blocks("ts").map((code, i) => {
      const file = join(place, `block-${i}.mts`);
      writeFileSync(
        file,
        code.replaceAll(
          /from "spinnkit(\/[a-z]+)?"/g,
          (_, sub = "/index") => `from "${root}dist${sub === "/index" ? "/index.js" : `${sub}/index.js`}"`,
        ),
      );
      return file;
    });
    expect(files.length).toBe(3);
    const options =
      "--ignoreConfig --noEmit --strict --target es2022 --lib es2023,esnext.disposable --module nodenext --types node --skipLibCheck".split(
        " ",
      );
    await run(process.execPath, [join(root, "node_modules/typescript/bin/tsc"), ...options, ...files], { cwd: root }).catch(
      (error: { stdout: string }) => {
        throw new Error(error.stdout);
      },
    );
  } finally {
    rmSync(place, { recursive: true, force: true });
  }
}, 60_000);

it("the test in five lines counts four chips", async () => {
  const code = blocks("ts").at(-1)!.replaceAll("await using", "const").replaceAll("!.", ".");
  const file = join(root, "node_modules", ".cache", "readme-example.mjs");
  const ends = "\nawait spinn.close();\nawait machine.close();\n";
  writeFileSync(file, code.replaceAll(/from "spinnkit(\/[a-z]+)?"/g, (_, sub = "") => `from "${root}dist${sub}/index.js"`) + ends);
  expect((await run(process.execPath, [file])).stdout.trim()).toBe("4");
  rmSync(file);
}, 60_000);
