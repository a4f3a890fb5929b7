import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { PassThrough, Readable } from "node:stream";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { run } from "../../src/cli/run.js";
import { SimulatedMachine } from "../../src/simulator/index.js";

const HELLO = fileURLToPath(new URL("../../fixtures/apps/hello.aplx", import.meta.url));

const NO_INTERRUPTS = { signal: new AbortController().signal, received: undefined, status: 130 };

let machine: SimulatedMachine;
let folder: string;
let host: string;

beforeAll(async () => {
  machine = await SimulatedMachine.start({ board: "spin3", host: "127.83.1.1", port: 0 });
  folder = await mkdtemp(join(tmpdir(), "spinn-ybug-"));
  const { address } = machine.boards[0]!;
  host = `${address.host}:${address.port}`;
});

afterAll(async () => {
  await machine.close();
  await rm(folder, { recursive: true });
});

function collect(stream: PassThrough): () => string {
  const chunks: Buffer[] = [];
  stream.on("data", (chunk: Buffer) => chunks.push(chunk));
  return () => Buffer.concat(chunks).toString();
}

async function ybug(words: readonly string[], input = "", board = host) {
  const [stdout, stderr] = [new PassThrough(), new PassThrough()];
  const [out, err] = [collect(stdout), collect(stderr)];
  const status = await run(["ybug", ...words, "--host", board], { stdin: Readable.from([input]), stdout, stderr }, NO_INTERRUPTS);
  return { status, out: out(), err: err() };
}

/** Runs lines as a script, without the lines themselves in the output. */
async function script(...lines: string[]) {
  const file = join(folder, "script.ybug");
  await writeFile(file, `${lines.join("\n")}\n`);
  return ybug([file, "-q"]);
}

/** What a run of lines prints; they must work. */
async function text(...lines: string[]): Promise<string> {
  const { status, out, err } = await script(...lines);
  expect(err).toBe("");
  expect(status).toBe(0);
  return out;
}

const at = (name: string): string => join(folder, name);

describe("memory", () => {
  it("words, half-words and bytes are written and read in hexadecimal", async () => {
    const lines = [
      "sw 60240000 12345678",
      "sw 0x60240000",
      "sh 60240002 abcd",
      "sb 60240001 9",
      "sh 60240000",
      "sb 60240003",
      "sw 60240000",
    ];
    expect(await text(...lines)).toBe("60240000 = 12345678\n60240000 = 0978\n60240003 = ab\n60240000 = abcd0978\n");
  });

  it("dumps 256 bytes as ybug lays them out", async () => {
    await text("sfill 60240100 60240200 64636261");
    const words = (await text("smemw 60240100")).split("\n");
    expect(words[0]).toBe(`60240100 ${" 64636261".repeat(8)}`);
    expect(words).toHaveLength(9);
    expect((await text("smemh 60240100")).split("\n")[1]).toBe(`60240110 ${" 6261 6463".repeat(4)}`);
    expect((await text("smemb 60240100")).split("\n")[15]).toBe(`602401f0 ${" 61 62 63 64".repeat(4)}  ${"abcd".repeat(4)}`);
  });

  it("files go in and come out; the length of sdump is hexadecimal", async () => {
    const bytes = Uint8Array.from({ length: 0x310 }, (_, i) => i * 7);
    await writeFile(at("in.bin"), bytes);
    await text("sp 1 1", `sload ${at("in.bin")} 60300000`, `sdump ${at("out.bin")} 60300000 310`);
    expect(new Uint8Array(await readFile(at("out.bin")))).toEqual(bytes);
  });

  it("links lead to the neighbour", async () => {
    const lines = ["sp 1 0", "sw 60240000 cafe0001", "sp 0 0", "lw 0 60240000", "lw 0 60240004 beef", "lmemw 0 60240000"];
    const out = await text(...lines);
    expect(out).toMatch(/^60240000 = cafe0001\n60240000 {2}cafe0001 0000beef /);
  });
});

describe("machine", () => {
  it("version, place and cores", async () => {
    expect(await text("sp 1 1", "sver")).toMatch(
      /^SC&MP 4\.0\.0 at SpiNNaker:1,1,0 \(built \w{3} \w{3} [ \d]\d [\d:]{8} \d{4}\) \[\d+\]\n$/,
    );
    const ps = (await text("ps")).split("\n");
    expect(ps[0]).toBe("Core State  Application       ID   Running  Started");
    expect(ps[2]).toMatch(/^ {2}0 {2}RUN +scamp-3 +0 /);
    expect(ps).toHaveLength(21);
    expect((await text("ps p")).split("\n")[0]).toMatch(/PCore {2}SWver$/);
    expect((await text("ps x")).split("\n")[2]).toMatch(/( {3}|^.* )([0-9a-f]{8} {0,3}){4}$/);
    expect(await text("ps 1")).toMatch(/^Core {2}1: app .*\nAP mbox: .*\nMP mbox: .*\nSW error: .*\nRT error: {2}NONE .*\n$/);
  });

  it("what is silent in ybug is silent here", async () => {
    expect(await text("led 01 inv", "led 0 on", "expert", "p2p_route off", "p2p_route on", "sp root", "sp 3", "sleep 0.01")).toBe("");
    expect(await text("p2p_route off", "p2p_route", "timeout 0.5", "debug", "timeout")).toBe(
      "Flags 0x27\nTimeout 0.5\nDebug 0\nTimeout 0.5\n",
    );
  });

  it("boot leaves a booted machine alone", async () => {
    expect(await text("boot")).toBe("Warning: Already booted.\nBooted SC&MP 4.0.0 on 4 chips\n");
  });

  it("boots a silent one, and says so when there is no image", async () => {
    await using silent = await SimulatedMachine.start({ board: "spin3", host: "127.83.1.2", port: 0, booted: false, timeScale: 0.01 });
    const { address } = silent.boards[0]!;
    await writeFile(at("boot.ybug"), "boot nowhere.boot\nps\n");
    const run = await ybug([at("boot.ybug"), "--timeout", "100ms"], "", `${address.host}:${address.port}`);
    expect(run.err).toContain("boot.ybug:1: the boot image nowhere.boot cannot be read: there is no such file");
    expect(run.status).toBe(2);
    expect(run.out).not.toContain("> ps");
  });

  it("cmd shows what came back", async () => {
    expect(await text("cmd 0")).toContain("00000000 ");
  });
});

describe("applications, routes, tags, heaps", () => {
  it("loads on a machine of version 4, counts, signals and stops", async () => {
    const lines = [`app_load ${HELLO} all 1-3 16`, "app_sig all 16 count run", "app_sig @1,1 16 count run", "app_sig . 16 or sync0"];
    expect(await text(...lines)).toBe("Count 12\nCount 3\nMask 0x00000001\n");
    expect(await text("app_sig all 16 and run", "app_sig all 16 sync0")).toBe("Mask 0x00010004\n");
    expect(await text("app_dump")).toMatch(/^ ID Cores Clean {2}Sema {2}Lead Mask\n.*\n(.*\n)* 16 +3 /);
    expect(await text(`app_load ${HELLO} . 1-3 16 wait`, "app_sig . 16 count wait")).toBe("Count 3\n");
    expect(await text("app_stop 16-31", "app_sig all 16 count run")).toBe("Count 0\n");
  });

  it("data reach the chips of a region and no others", async () => {
    await writeFile(at("data.bin"), Uint8Array.of(1, 2, 3, 4));
    const read = ["sp 0 0", "sw 60400000", "sp 1 1", "sw 60400000"];
    expect(await text(`data_load ${at("data.bin")} @1,1 60400000`, ...read)).toBe("60400000 = 00000000\n60400000 = 04030201\n");
    // Level 3, the first block of each: rows of four chips, so block 5 is chip 1,1 and block 0 is chip 0,0.
    expect(await text(`data_load ${at("data.bin")} 0.0.0.0,5 60500000`, "sw 60500000", "sp 1 0", "sw 60500000")).toBe(
      "60500000 = 04030201\n60500000 = 00000000\n",
    );
  });

  it("routes from a file", async () => {
    const table = new DataView(new ArrayBuffer(48));
    for (const [i, place] of [1, 0].entries()) {
      table.setUint16(16 * i, place, true);
      table.setUint32(16 * i + 4, 0x41 + i, true);
      table.setUint32(16 * i + 8, 0x10000 * (i + 1), true);
      table.setUint32(16 * i + 12, 0xffff0000, true);
    }
    await writeFile(at("routes.bin"), new Uint8Array(table.buffer));
    const out = await text(`rtr_load ${at("routes.bin")} 17`, "rtr_dump", "rtr_heap", "rtr_init", "rtr_diag clr");
    expect(out).toMatch(/ 000000000000000001 000010 {2}00020000 {2}ffff0000 +17 .*\n.* 000000000000000001 000001 {2}00010000 {2}ffff0000 /);
    expect(out).toMatch(/\nRouter\n------\nBLOCK {5}1 {2}Next +3 {2}AppID {3}17 {2}Size 2\n/);
    expect(out).not.toContain("damaged");
    expect(out).toMatch(/\nCtrl Reg: {2}0x[0-9a-f]{8} \(Mon \d+, Wait1 \d+, Wait2 \d+\)\nErr Stat: {2}0x[0-9a-f]{8}\n\nLoc {2}MC: +\d/);
    await writeFile(at("short.bin"), new Uint8Array(20));
    expect((await script(`rtr_load ${at("short.bin")} 17`)).err).toContain("is no table of routes: 20 bytes are no multiple of 16");
  });

  it("tags", async () => {
    const out = await text("iptag 1 set 127.0.0.1 50003", "iptag 2 strip . 50004", "iptag 3 reverse 50005 101 23", "iptag");
    expect(out).toMatch(/^IPTags=16 \(F=8, T=8\), TTO=[\d.]+s\n\nTag /);
    expect(out).toMatch(/\n {2}1 {2}127\.0\.0\.1 {8}50003 {6}0 {2}0 /);
    expect(out).toMatch(/\n {2}2 {2}127\.\d+\.\d+\.\d+ +50004 .* S /);
    expect(out).toMatch(/\n {2}3 .* 50005 {2}0 .*RS.* 0x0101 {4}0x23 /);
    expect(await text("iptag 1 clear", "iptag 2 clear", "iptag 3 clear", "iptag")).not.toMatch(/\n {2}[123] /);
  });

  it("heaps", async () => {
    expect(await text("heap sdram")).toMatch(
      /^\nSDRAM \d+\n-----\nBLOCK {2}60640010 {2}Next .* size \d+\nBLOCK .* size 0\nFREE {3}60640010 /,
    );
    expect(await text("heap")).toMatch(/\nSDRAM [\s\S]*\nSysRAM [\s\S]*\nSystem /);
  });

  it("text of cores, to the screen and to a file", async () => {
    expect(await text(`iobuf 1 ${at("iobuf.txt")}`)).toBe("");
    expect(await readFile(at("iobuf.txt"), "utf8")).toBe("");
  });
});

describe("the whole machine, and the serial ROM", () => {
  it("a global write reaches every chip", async () => {
    await text("gw f5007fd0 11223344", "gh f5007fd0 5566", "gb f5007fd3 77");
    expect(await text("sw f5007fd0", "sp 1 1", "sw f5007fd0")).toBe("f5007fd0 = 77225566\nf5007fd0 = 77225566\n");
  });

  it("the serial ROM is shown and saved; writing it asks, and there is nobody to ask", async () => {
    expect(await text("srom_type", "srom_init")).toMatch(/^SROM type 25aa1024 \(page 256, addr 24\)\n8031 .* 127\.83\.1\.1 /);
    expect(await text(`srom_dump ${at("rom.bin")} 0 300`)).toMatch(/^Length 300, CRC32 0x[0-9a-f]{8}\n$/);
    expect((await readFile(at("rom.bin"))).length).toBe(300);
    const { status, err } = await script("srom_ip 10.0.0.1");
    expect(status).toBe(8);
    expect(err).toMatch(/serial ROM of 127\.83\.1\.1 for good.*\n.*--allow-flash/);
  });

  it("with --allow-flash it is saved, written, and read back", async () => {
    const lines = ["srom_ip 10.0.0.1 10.0.0.254 /16", `srom_write ${at("rom.bin")} 1f0`, "srom_read 1f0"];
    lines.push("srom_init 8031 02:00:a4:01:02:03 10.0.0.2 10.0.0.254 255.0.0.0 17893", "srom_init", "srom_erase", "srom_read");
    await writeFile(at("rom.ybug"), `${lines.join("\n")}\n`);
    const home = process.cwd();
    process.chdir(folder);
    const { status, out, err } = await ybug([at("rom.ybug"), "-q", "--allow-flash"]).finally(() => process.chdir(home));
    expect({ status, err: err.replace(/^# what was there before is in \S+\n/gm, "") }).toEqual({ status: 0, err: "" });
    expect(out).toMatch(/^Writing 12 bytes at address 16\nChecking\.\.\.\nFlag: 8031\n.*NM: {3}255\.255\.0\.0\nPort: 17893\nLooks OK!\n/s);
    expect(out).toMatch(/^000001f0 {2}55 3a 00 08 f5 00 7f e0/m);
    expect(out).toMatch(/^8031 02:00:a4:01:02:03 10\.0\.0\.2 10\.0\.0\.254 255\.0\.0\.0 17893$/m);
    expect(out).toMatch(/^00000000 {2}ff ff ff ff .*\n000000f0 {2}ff [^\n]*\n$/ms);
    expect((await readdir(folder)).filter((name) => /serial-ROM/.test(name))).toHaveLength(4);
  });
});

describe("bad input sends nothing", () => {
  const WRONG: readonly (readonly [string, RegExp])[] = [
    ["sw zz 12345678", /sw: address: "zz" is no hexadecimal number\n {2}usage: sw <addr\.X>/],
    ["smemw zz", /"zz" is no hexadecimal number/],
    ["smemw", /address is missing/],
    ["sw 60240001 1", /no multiple of 4/],
    ["sb 60240000 100", /data must be from 0 to ff, not 100/],
    ["sw 50000000", /nothing is at 0x50000000/],
    ["sdump f 60240000 10g", /"10g" is no hexadecimal number/],
    ["sp 0 300", /chip_y must be from 0 to 255, not 300/],
    ["sp 18", /core must be/],
    ["iobuf 99", /core must be from 0 to 17, not 99/],
    ["ps y", /"y" is neither/],
    ["power ON", /power: action: there is no "ON"\n {2}did you mean on\?/],
    ["power onn 0", /there is no "onn"/],
    ["led 4 on", /names no LEDs/],
    ["iptag 1 set . 0", /port must be from 1/],
    ["iptag 8 clear", /tag must be/],
    ["iptag 1 reverse 50005 101 1", /SDP port 0/],
    ["app_load x all 1-18 16", /cores "1-18"/],
    ["app_load x 16 1 16", /region "16"/],
    ["app_load x all 1 15", /app_id must be from 16/],
    ["app_stop 16-18", /cannot be named in one signal/],
    ["app_sig all 16 cound run", /did you mean count\?/],
    ["app_sig all 16 count 7", /state: there is no "7"/],
    ["rtr_diag clear", /there is no "clear"/],
    ["sleep x", /is no number of seconds/],
    ["sver now", /one word too many/],
    ["smenw 60240000", /bad command "smenw"\n {2}did you mean smemw\?/],
    ["constructor", /bad command/],
    ["srom_type 25aa080a", /there is no "25aa080a"/],
    ["gw 60000000 1", /is in none of f5007f00-f5007fff/],
    ["data_load f all 400000", /belongs to a core/],
  ];
  it.each(WRONG)("%s", async (line, words) => {
    const before = machine.boards[0]!.counters.received;
    const { status, err } = await script("smemw 60240000", line);
    expect(status).toBe(2);
    expect(err).toMatch(/script\.ybug:2: /);
    expect(err).toMatch(words);
    expect(machine.boards[0]!.counters.received).toBe(before);
  });

  it("a file that is not there stops where it is wanted", async () => {
    const { status, err, out } = await script("echo one\\n", "app_load nowhere.aplx . 1 16", "echo two\\n");
    expect({ status, out }).toEqual({ status: 2, out: "one\n" });
    expect(err).toMatch(/script\.ybug:2: the application nowhere\.aplx cannot be read: there is no such file/);
  });

  it("a chip that is not there ends with the board's refusal", async () => {
    expect((await script("sp 9 9", "sver")).status).not.toBe(0);
  });
});

describe("prompt", () => {
  it("runs lines, tells errors and goes on, completes names, and ends with quit", async () => {
    const terminal = () => Object.assign(new PassThrough(), { isTTY: true, columns: 80 });
    const [stdin, stdout, stderr] = [terminal(), terminal(), terminal()];
    const out = collect(stdout);
    const done = run(["ybug", "--host", host, "--color", "never"], { stdin, stdout, stderr }, NO_INTERRUPTS);
    const type = async (keys: string, answer: RegExp) => {
      stdin.write(keys);
      await expect.poll(out, { timeout: 5000 }).toMatch(answer);
    };
    await expect.poll(out, { timeout: 5000 }).toContain("127.83.1.1:0,0,0 > ");
    await type("sw zz\n", /error: sw: address: "zz" is no hexadecimal number/);
    await type("sp 1 1\n", /127\.83\.1\.1:1,1,0 > /);
    // A tab among other letters would count as pasted text.
    await type("sve", /sve$/);
    await type("\t", /r $/);
    await type("\n", /SC&MP 4\.0\.0 at SpiNNaker:1,1,0/);
    stdin.write("quit\n");
    expect(await done).toBe(0);
  });
});

describe("scripts", () => {
  it("prints its lines behind the prompt, leaves out comments, and runs files within files", async () => {
    await writeFile(at("inner.ybug"), "# inner\n  echo in\\n  \nquit\necho never\\n");
    await writeFile(at("outer.ybug"), `sp 1 0\r\n\n@ ${at("inner.ybug")}\n@ ${at("inner.ybug")} quiet\n`);
    const { status, out } = await ybug([at("outer.ybug")]);
    const prompt = "127.83.1.1:0,0,0 > ";
    const later = "127.83.1.1:1,0,0 > ";
    expect(out).toBe(
      `${prompt}sp 1 0\n${later}\n${later}@ ${at("inner.ybug")}\n@${later}# inner\n@${later}  echo in\\n\nin\n@${later}quit\n${later}@ ${at("inner.ybug")} quiet\nin\n`,
    );
    expect(status).toBe(0);
  });

  it("an error in an inner file names that file; a file that runs itself ends", async () => {
    await writeFile(at("bad.ybug"), "\nsw zz\n");
    expect((await script(`@ ${at("bad.ybug")}`)).err).toContain(`${at("bad.ybug")}:2: sw: address`);
    await writeFile(at("loop.ybug"), `@ ${at("loop.ybug")}\n`);
    expect((await ybug([at("loop.ybug")])).err).toContain("more than 10 deep");
  });

  it("--keep-going goes past errors, and the status tells", async () => {
    const { status, out, err } = await ybug(["--keep-going", "-q"], "sw zz\necho on\\n\nbogus\n");
    expect({ status, out }).toEqual({ status: 7, out: "on\n" });
    expect(err).toMatch(/stdin:1: sw: .*\n.*\n.*stdin:3: bad command "bogus"/);
  });

  it("lines from a pipe stop at the first error", async () => {
    expect(await ybug(["-q"], "echo a\\n\nbogus\necho b\\n\n")).toMatchObject({ status: 2, out: "a\n" });
  });

  it("--json: an object per command", async () => {
    const { out } = await ybug(["--json"], "# nothing\nsw 60240000 7\nsw 60240000\n");
    const objects = out
      .trimEnd()
      .split("\n")
      .map((line) => JSON.parse(line) as unknown);
    expect(objects).toEqual([
      { schema: "spinn.ybug.command", version: 1, where: "stdin:2", command: "sw 60240000 7", text: "" },
      { schema: "spinn.ybug.command", version: 1, where: "stdin:3", command: "sw 60240000", text: "60240000 = 00000007\n" },
    ]);
  });

  it("help, ? and the usage of a command", async () => {
    expect(await text("help sw", "sw ?")).toBe("usage:   sw <addr.X> [<data.X>]\npurpose: Read or write one word of memory\n".repeat(2));
    const list = await text("?");
    expect(list).toMatch(/^ \? @ app_dump /);
    expect(list.split("\n").every((line) => line.length <= 78)).toBe(true);
    expect((await text("help")).split("\n").length).toBeGreaterThan(40);
  });

  it("power and reset need a BMP by name; a pause without terminal goes on", async () => {
    expect((await script("power off")).err).toContain("no BMP is named");
    expect((await ybug([], "pause look\necho on\\n\n")).out).toContain("> echo on\\n\non\n");
  });

  it("every line of the session kept for ybug itself is understood and works", async () => {
    const session = fileURLToPath(new URL("../peers/ybug_session.txt", import.meta.url));
    const { status, out, err } = await ybug([session]);
    expect(err).toBe("");
    expect(status).toBe(0);
    expect(out).toContain("60240000 = 12345678");
  });
});
