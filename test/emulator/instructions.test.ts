import { readFileSync } from "node:fs";
import { expect, it } from "vitest";
import * as emulator from "../../src/emulator/index.js";
import { program } from "../../tools/emulator/random-instructions.mjs";
import { compiledEverywhere, digest, run } from "../../tools/emulator/run-program.mjs";

const golden = JSON.parse(readFileSync(new URL("../../fixtures/emulator/instructions.json", import.meta.url), "utf8"));

it.each([
  ["the interpreter", golden.count, emulator.interpret],
  ["the compiler", 1000, compiledEverywhere(emulator)], // the first thousand of the same tests
])("%s does with random ARM and Thumb instructions what qemu-arm did", (_name, count, engine) => {
  const made = program(golden.seed, count);
  const { records } = run(emulator, made, engine);
  const expected = new Uint32Array(Uint8Array.from(Buffer.from(golden.digests, "base64")).buffer);
  const different = made.what.flatMap(({ thumb, ops }, test) =>
    digest(records, test) === expected[test]
      ? []
      : [`${test} ${thumb ? "Thumb" : "ARM"} ${ops.map((op) => (op >>> 0).toString(16)).join(" ")}`],
  );
  expect(expected.length).toBe(golden.count);
  expect(different).toEqual([]);
});
