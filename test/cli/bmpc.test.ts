import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { PassThrough, Readable } from "node:stream";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { parseBoardInfo } from "../../src/cli/bmpc/board-info.js";
import { parseEepromFile } from "../../src/cli/bmpc/eeprom-file.js";
import { run } from "../../src/cli/run.js";
import { SimulatedMachine } from "../../src/simulator/index.js";

const NO_INTERRUPTS = { signal: new AbortController().signal, received: undefined, status: 130 };

let machine: SimulatedMachine;
let folder: string;
let bmp: string;
const home = process.cwd();

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "spinn-bmpc-"));
  // One board is enough for all but the lists: power and reset of a frame are the simulator's own tests.
  machine = await SimulatedMachine.start({
    board: { triads: [1, 1] },
    host: "127.85.1.1",
    bmpHost: "127.85.2.1",
    port: 0,
    timeScale: 0.001,
  });
  const { address } = machine.bmps[0]!;
  bmp = `${address.host}:${address.port}`;
});

afterAll(async () => {
  await machine.close();
  await rm(folder, { recursive: true });
});

async function bmpc(words: readonly string[], input: string) {
  const [stdout, stderr] = [new PassThrough(), new PassThrough()];
  const [out, err] = [stdout, stderr].map((stream) => {
    const chunks: Buffer[] = [];
    stream.on("data", (chunk: Buffer) => chunks.push(chunk));
    return () => Buffer.concat(chunks).toString();
  });
  const status = await run(["bmpc", ...words, "--bmp", bmp], { stdin: Readable.from([input]), stdout, stderr }, NO_INTERRUPTS);
  return { status, out: out!(), err: err!() };
}

/** What lines print; they must work. */
async function text(...lines: string[]): Promise<string> {
  const { status, out, err } = await bmpc(["-q"], `${lines.join("\n")}\n`);
  expect({ status, err }).toEqual({ status: 0, err: "" });
  return out;
}

describe("reading, in bmpc's own lines", () => {
  it("who is there", async () => {
    expect(await text("sver", "sp 2", "sver")).toMatch(
      /^BC&MP 2\.1\.2 at Spin5-BMP:0 \(built .*2018\) \[C=0, F=1, B=1\]\nBC&MP 2\.1\.2 at Spin5-BMP:2 \(built .*\) \[C=2, F=1, B=1\]\n$/,
    );
    expect(await text("serial")).toMatch(/^Slot {2}Serial\n---- {2}------\n {2}0 {3}0b0a5000-[0-9a-f]{8}-53504e4b-f5000100\n {2}1 /);
    expect(await text("ip")).toMatch(/^ {2}0 {3}127\.85\.2\.1 {6} 127\.85\.1\.1 {6}\n/m);
    expect((await text("firmware")).split("\n")[2]).toMatch(/^ {2}0 {3}10000 {3}\S+/);
  });

  it("supplies, temperatures", async () => {
    expect(await text("adc")).toMatch(/^V12c {7}1\.2\d\nV12b .*\nVPWR {6}12\.0\d\nT_intN {5}29\.1\nT_intS {5}31\.9\nT_ext0 /s);
  });

  it("memory, FPGAs, tags", async () => {
    expect(await text("sw 10000100 12345678", "sb 10000101 ff", "sw 10000100", "sh 10000102")).toBe(
      "10000100 = 1234ff78\n10000102 = 1234\n",
    );
    expect((await text("sfill 10000200 10000220 aabbccdd", "smemh 10000200")).split("\n")[0]).toBe(`10000200 ${" ccdd aabb".repeat(8)}`);
    expect(await text("freg 1 40004", "freg 1 40008 55", "freg 1 40008")).toBe("00040004 = 00000031\n00040008 = 00000055\n");
    const status = await text("fstat 2");
    expect(status).toMatch(/^Register +Global\n-------- +------\nVERS {5}0x[0-9a-f]{8}\nFLAG {5}0b\d{8}\n/);
    expect(status).toMatch(/^Register +North +NorthEast +Periph-2$/m);
    expect((await text("fdump 0 40000")).split("\n")).toHaveLength(9);
    expect(await text("xreset", "xreset low", "xreset", "xreset high")).toBe("xreset high\nxreset low\n");
    expect(await text("iptag 127.0.0.1 17892 1", "iptag", "iptag - 1")).toMatch(/^ {2}1 {2}127\.0\.0\.1 {8}17892 {2}0 {5}8000 {11}0$/m);
  });

  it("stores", async () => {
    expect(await text("bmp_ip")).toBe(
      "Flag: 8000\nMAC:  00:00:a4:01:00:00\nIP:   127.85.2.1\nGW:   127.85.2.254\nNM:   255.255.0.0\nPort: 17893\n",
    );
    expect(await text("sf_ip *")).toBe("8059 00:00:a4:01:00:01 127.85.1.1 127.85.1.254 255.255.0.0 17893\n");
    expect(await text("ee_data")).toMatch(/^\nType: {7}0x96\n.*Frame ID: {3}1\n.*T_int: {6}65 {3}65/s);
    expect(await text("xboot")).toMatch(/^S0 {3}ENABLED {3}Chips 210, Base 0x200000, Length {2}1500000, CRC 0x00000000\n {5}File {6}\n/);
    expect((await text("sf_read 100")).split("\n")).toHaveLength(17);
  });
});

describe("power", () => {
  it("off and on again; a mask is a list; a wrong word sends nothing", async () => {
    await text("power off 1-2");
    expect(await text("sp 1", "adc")).toMatch(/^V12c {7}0\.00$/m);
    await text("power on all 1", "led 47 on", "led 4 flip", "reset 0,2");
    expect(await text("sp 1", "adc")).toMatch(/^V12c {7}1\.2/m);
    const before = machine.bmps[0]!.counters.received;
    for (const line of [
      "power ON 0",
      "power onn 0",
      "power on 24",
      "power on 3-1",
      "reset",
      "led 8 on",
      "sw zz 1",
      "sp 24",
      "spin",
      "freg 3 0",
    ]) {
      const { status, err } = await bmpc([], `${line}\n`);
      expect(status, line).toBe(2);
      expect(err, line).toMatch(/^spinn bmpc: stdin:1: /);
    }
    expect(machine.bmps[0]!.counters.received).toBe(before);
  });
});

describe("what changes a board for good", () => {
  it("is refused without a terminal, and nothing is sent for it", async () => {
    const { status, err } = await bmpc([], "xreg clr\n");
    expect(status).toBe(8);
    expect(err).toMatch(/BMP data of 127\.85\.2\.1 for good, and there is no terminal to ask on\n.*--allow-flash/);
  });

  it("is saved before, written, and read back", async () => {
    const file = (name: string): string => join(folder, name);
    await writeFile(file("bits.bin"), Buffer.alloc(3001, 0x5a));
    await writeFile(file("ee.txt"), "byte 0x96 0 1 3\ntime\nbyte 127 66 2 254 0 16 0 5\npad 252 0\ncrc32\n");
    await writeFile(file("board.info"), "# dead\nchip 1 2 core 3,5-6 link 0\nchip 3 3 dead\n");
    const lines = [
      "xreg 0 4000c 11223344 0-2 40010 55",
      "xreg",
      "xslot 1 on 3",
      `xboot ${file("bits.bin")} 2 5`,
      "xboot",
      "spin_ip 8059 02:00:a4:01:02:04 10.0.0.2 10.0.0.254 255.255.0.0 17893",
      "spin_ip *",
      "sf_ip 8059 02:00:a4:01:02:04 10.0.0.2 10.0.0.254 255.255.0.0 17893",
      "sf_ip *",
      `board_info ${file("board.info")}`,
      "smemw 1e00",
      `ee_data ${file("ee.txt")}`,
      "ee_data",
    ];
    process.chdir(folder);
    const { status, out, err } = await bmpc(["-q", "--allow-flash"], `${lines.join("\n")}\n`).finally(() => process.chdir(home));
    expect({ status, err: err.replace(/^# what was there before is in \S+\n/gm, "") }).toEqual({ status: 0, err: "" });
    expect(out).toMatch(/^0 {3}0004000c 11223344\n0-2 00040010 00000055$/m);
    expect(out).toMatch(/^S1 {3}ENABLED {3}Chips {2}10, .*^S2 {3}ENABLED {3}Chips {2}20, Base 0x500000, Length {5}3001, CRC/ms);
    expect(out.match(/^8059 02:00:a4:01:02:04 10\.0\.0\.2 10\.0\.0\.254 255\.255\.0\.0 17893$/gm)).toHaveLength(2);
    expect(out).toMatch(/^00001e00 {2}00000002 0a040068 1bffffff ffffffff/m);
    expect(out).toMatch(/Frame ID: {3}3\nGW addr: {4}127\.66\.2\.254/);
    const backups = (await readdir(folder)).filter((name) => name.startsWith("spinn-127.85.2.1-"));
    expect(backups.length).toBe(8);
    expect((await readFile(file(backups.find((name) => name.includes("BMP-data"))!))).length).toBe(4096);
  });
});

describe("descriptions in files", () => {
  it("dead parts", () => {
    expect(parseBoardInfo("chip 0 1 link 0-5\n\n# x\n", "f", 63)).toEqual([1, 0x01fc0000]);
    expect(() => parseBoardInfo("chip 8 0 dead", "f", 63)).toThrow(/^f:1: /);
    expect(() => parseBoardInfo("chip 1 1 core 18", "f", 63)).toThrow(/core 18/);
  });

  it("an EEPROM", () => {
    expect([...parseEepromFile("byte 1 2\nhalf 0x304\nword 5 # five\npad 10 9\nalign 4 7\n", "f", 256)]).toEqual([
      1, 2, 4, 3, 5, 0, 0, 0, 9, 9, 7, 7,
    ]);
    for (const wrong of ["byte x", "byte 1\nword 2", "bogus 1", "pad 300 1", "align 0 0"]) {
      expect(() => parseEepromFile(wrong, "f", 256), wrong).toThrow(/^f:\d+: /);
    }
  });
});
