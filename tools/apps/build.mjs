// Builds the small applications of fixtures/apps with Debian's gcc-arm-none-eabi into APLX images, and the monitor of fixtures/firmware into a
// boot image.
//   node tools/apps/build.mjs [name ...]        all of them without a name; writes fixtures/apps/<name>.aplx (and <name>.elf with lines and
//   frames for those in WITH_ELF), fixtures/firmware/monitor.boot
import { spawnSync } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = join(dirname(fileURLToPath(import.meta.url)), "..", "..", "fixtures", "apps");
const FLAGS = [
  "-mcpu=arm968e-s",
  "-Os",
  "-std=c11",
  "-Wall",
  "-Wextra",
  "-Werror",
  "-ffreestanding",
  "-fno-builtin",
  "-mthumb-interwork",
  "-fno-jump-tables",
];
/** Those whose ELF files the tests of the debugging tools read. */
const WITH_ELF = ["faulty"];
/** Lines and frames without the compiler's description of types; paths as in the source tree. */
const DEBUG = ["-g1", "-gz=none", `-ffile-prefix-map=${root}=apps`, `-Wa,--debug-prefix-map=${root}=apps`, "-gno-record-gcc-switches"];
const names = process.argv.length > 2 ? process.argv.slice(2) : [...applications(), "monitor"];

const work = mkdtempSync(join(tmpdir(), "spinn-apps-"));
try {
  for (const name of names) {
    if (name === "monitor") {
      bootImage();
      continue;
    }
    const elf = compile(name);
    const image = aplx(sections(elf));
    writeFileSync(join(root, `${name}.aplx`), image);
    console.log(`${name}.aplx ${image.length} bytes`);
  }
} finally {
  rmSync(work, { recursive: true, force: true });
}

/** The monitor is one piece of position-bound code: what the linker puts into its one section is the image. */
function bootImage() {
  const folder = join(root, "..", "firmware");
  const elf = join(work, "monitor.elf");
  gcc(...FLAGS, "-marm", "-nostdlib", "-T", join(folder, "image.ld"), "-Wl,--build-id=none", join(folder, "monitor.c"), "-o", elf);
  const { bytes } = sections(readFileSync(elf)).find(({ name }) => name === ".image");
  writeFileSync(join(folder, "monitor.boot"), bytes);
  console.log(`monitor.boot ${bytes.length} bytes`);
}

function applications() {
  const folders = readdirSync(root, { withFileTypes: true }).filter((entry) => entry.isDirectory() && entry.name !== "runtime");
  return folders.map((entry) => entry.name).sort();
}

/** The runtime in ARM state, the application in Thumb (its files named *.arm.c in ARM), linked to one ELF file without debugging sections. */
function compile(name) {
  const runtime = join(root, "runtime");
  const objects = [];
  const build = (file, from, ...flags) => {
    const object = join(work, `${name}-${file}.o`);
    gcc(...FLAGS, ...(WITH_ELF.includes(name) ? DEBUG : []), ...flags, "-I", runtime, "-c", join(from, file), "-o", object);
    objects.push(object);
  };
  for (const file of readdirSync(runtime)
    .filter((file) => /\.[cS]$/.test(file))
    .sort())
    build(file, runtime, "-marm");
  for (const file of readdirSync(join(root, name))
    .filter((file) => /\.[cS]$/.test(file))
    .sort())
    build(file, join(root, name), file.endsWith(".arm.c") ? "-marm" : "-mthumb");
  const out = join(work, `${name}.elf`);
  gcc(
    "-mcpu=arm968e-s",
    "-nostdlib",
    "-T",
    join(runtime, "link.ld"),
    "-Wl,--build-id=none",
    "-Wl,-z,max-page-size=32",
    ...objects,
    "-o",
    out,
  );
  if (WITH_ELF.includes(name)) {
    const unread = [".debug_info", ".debug_abbrev", ".debug_aranges", ".debug_rnglists", ".comment"].flatMap((section) => ["-R", section]);
    run("arm-none-eabi-objcopy", [...unread, out, join(root, `${name}.elf`)]);
  }
  return readFileSync(out);
}

function gcc(...args) {
  run("arm-none-eabi-gcc", args);
}

function run(command, args) {
  const { status, error } = spawnSync(command, args, { stdio: "inherit", cwd: root });
  if (error?.code === "ENOENT") throw new Error(`${command} is not installed; on Debian: apt-get install gcc-arm-none-eabi`);
  if (error || status !== 0) throw new Error(`${command} ${args.join(" ")} failed`);
}

/** Allocated sections of a little-endian 32-bit ELF file: name, address, bytes (none for zero-filled ones), size. */
function sections(elf) {
  const table = elf.readUInt32LE(0x20);
  const size = elf.readUInt16LE(0x2e);
  const count = elf.readUInt16LE(0x30);
  const header = (index) => {
    const at = table + index * size;
    const [nameAt, type, flags, address, offset, length] = [0, 4, 8, 12, 16, 20].map((field) => elf.readUInt32LE(at + field));
    return { nameAt, type, flags, address, offset, length };
  };
  const strings = header(elf.readUInt16LE(0x32)).offset;
  const nameOf = (at) => elf.toString("latin1", strings + at, elf.indexOf(0, strings + at));
  return Array.from({ length: count }, (_, index) => header(index))
    .filter((section) => (section.flags & 2) !== 0 && section.length > 0)
    .map(({ nameAt, type, address, offset, length }) => ({
      name: nameOf(nameAt),
      address,
      length,
      bytes: type === 8 ? undefined : elf.subarray(offset, offset + length),
    }));
}

/** The load table (copy each section, fill the zeros, jump to 0, end) and the sections behind it, in steps of 32 bytes. */
function aplx(all) {
  const step = (value) => (value + 31) & ~31;
  const entries = [];
  const bodies = [];
  let at = step(16 * (all.length + 2));
  for (const { name, address, length, bytes } of all) {
    if (length % 32 !== 0) throw new Error(`section ${name} is ${length} bytes, no multiple of 32: the loader would run over`);
    if (bytes) {
      entries.push([2, address, at - 16 * entries.length, length]);
      bodies.push([at, bytes]);
      at += length;
    } else entries.push([3, address, length, 0]);
  }
  entries.push([4, 0, 0, 0], [0xffffffff, 0, 0, 0]);
  const image = Buffer.alloc(at);
  entries.forEach((words, index) => {
    words.forEach((word, place) => {
      image.writeUInt32LE(word, 16 * index + 4 * place);
    });
  });
  for (const [offset, bytes] of bodies) bytes.copy(image, offset);
  return image;
}
