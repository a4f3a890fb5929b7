// Holds the emulated CPU against qemu-arm, instruction by instruction, and writes the golden set of the tests.
//   node tools/setup.mjs && node tools/emulator/compare.mjs [--tests 100000] [--seed 1] [--engine compiled] [--golden COUNT]
// Needs Debian's qemu-user. With --golden it stores a digest of qemu's outcome per test in fixtures/emulator/instructions.json.
import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import * as emulator from "../../dist/emulator/index.js";
import { CODE, OUTPUT_WORD, program, RECORD_WORDS, RECORDS, SCRATCH, SCRATCH_SIZE } from "./random-instructions.mjs";
import { compiledEverywhere, digest, run } from "./run-program.mjs";

const { values } = parseArgs({
  options: {
    tests: { type: "string", default: "100000" },
    seed: { type: "string", default: "1" },
    golden: { type: "string" },
    engine: { type: "string", default: "interpreter" },
  },
});
const folder = mkdtempSync(join(tmpdir(), "spinn-qemu-"));
const BATCH = 20_000;
let differences = 0;
let done = 0;
try {
  if (values.golden) golden(Number(values.golden), Number(values.seed));
  else {
    for (let seed = Number(values.seed); done < Number(values.tests) && differences < 20; seed++) batch(seed);
    console.log(`${done} tests, ${differences} differences`);
  }
} finally {
  rmSync(folder, { recursive: true, force: true });
}
process.exit(differences === 0 ? 0 : 1);

function batch(seed) {
  const made = program(seed, BATCH);
  const expected = qemu(made);
  const { records, scratch } = run(emulator, made, values.engine === "compiled" ? compiledEverywhere(emulator) : emulator.interpret);
  for (let test = 0; test < BATCH; test++) {
    for (let word = OUTPUT_WORD; word < RECORD_WORDS; word++) {
      const at = test * RECORD_WORDS + word;
      const mask = word === RECORD_WORDS - 1 ? 0xf8000000 : 0xffffffff;
      if (((records[at] ^ expected.records[at]) & mask) !== 0) {
        differences++;
        report(seed, test, word, made, records[at], expected.records[at]);
        break;
      }
    }
  }
  if (!scratch.every((bytes, index) => bytes.equals(expected.scratch[index]))) {
    differences++;
    console.log(`seed ${seed}: scratch memory differs`);
  }
  done += BATCH;
}

function report(seed, test, word, { what, records }, ours, theirs) {
  const { thumb, ops } = what[test];
  const name = word - OUTPUT_WORD === 14 ? "flags" : `r${word - OUTPUT_WORD === 13 ? 14 : word - OUTPUT_WORD}`;
  const at = test * RECORD_WORDS;
  const before = Array.from(records.subarray(at, at + 15), (value) => value.toString(16)).join(" ");
  console.log(
    `seed ${seed} test ${test} ${thumb ? "Thumb" : "ARM"} ${ops.map((op) => (op >>> 0).toString(16)).join(" ")}: ${name} is ${(ours >>> 0).toString(16)}, qemu has ${(theirs >>> 0).toString(16)} [${before}]`,
  );
}

function golden(count, seed) {
  const { records } = qemu(program(seed, count));
  const digests = Buffer.alloc(4 * count);
  for (let test = 0; test < count; test++) digests.writeUInt32LE(digest(records, test), 4 * test);
  const home = join(dirname(fileURLToPath(import.meta.url)), "..", "..", "fixtures", "emulator");
  mkdirSync(home, { recursive: true });
  writeFileSync(join(home, "instructions.json"), `${JSON.stringify({ seed, count, digests: digests.toString("base64") })}\n`);
  console.log(`${count} digests`);
}

function qemu(made) {
  const file = join(folder, "program.elf");
  writeFileSync(file, elf(made), { mode: 0o755 });
  const { stdout, status, error, stderr, signal } = spawnSync("qemu-arm", ["-cpu", "arm946", file], { maxBuffer: 1 << 28 });
  if (error?.code === "ENOENT") throw new Error("qemu-arm is not installed; on Debian: apt-get install qemu-user");
  if (error || status !== 0) throw new Error(`qemu-arm failed (${status ?? signal}): ${error?.message ?? stderr}`);
  const length = 4 * made.records.length;
  const records = new Uint32Array(stdout.buffer.slice(stdout.byteOffset, stdout.byteOffset + length));
  return {
    records,
    scratch: SCRATCH.map((_, index) => stdout.subarray(length + index * SCRATCH_SIZE, length + (index + 1) * SCRATCH_SIZE)),
  };
}

/** A static ELF file: code, records, and zeroed scratch pages. */
function elf({ code, records }) {
  const segments = [
    [CODE, Buffer.from(code.buffer), 5],
    [RECORDS, Buffer.from(records.buffer), 6],
    ...SCRATCH.map((address) => [address, Buffer.alloc(SCRATCH_SIZE), 6]),
  ];
  const page = (value) => (value + 0xfff) & ~0xfff;
  const header = Buffer.alloc(0x1000);
  header.write("\x7fELF\x01\x01\x01", "latin1");
  header.writeUInt16LE(2, 16);
  header.writeUInt16LE(40, 18);
  header.writeUInt32LE(1, 20);
  header.writeUInt32LE(CODE, 24);
  header.writeUInt32LE(52, 28);
  header.writeUInt32LE(0x05000000, 36);
  header.writeUInt16LE(52, 40);
  header.writeUInt16LE(32, 42);
  header.writeUInt16LE(segments.length, 44);
  const parts = [header];
  let offset = 0x1000;
  segments.forEach(([address, bytes, flags], index) => {
    const fields = [1, offset, address, address, bytes.length, bytes.length, flags, 0x1000];
    fields.forEach((field, place) => {
      header.writeUInt32LE(field >>> 0, 52 + 32 * index + 4 * place);
    });
    const padded = Buffer.alloc(page(bytes.length));
    bytes.copy(padded);
    parts.push(padded);
    offset += padded.length;
  });
  return Buffer.concat(parts);
}
