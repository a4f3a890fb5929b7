import { createSocket, type Socket } from "node:dgram";
import { once } from "node:events";
import { readFile, writeFile } from "node:fs/promises";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { SimulatedMachine } from "../../src/simulator/index.js";
import { schemaProblems } from "./json-schema.js";
import { addresses, command, jsonOf, temporaryFolder } from "./spinn.js";

const at = addresses(5);
const HOST = at(1);
const BMP = at(100);
const FRAME = at(120);
const MUTE = 9;
/** Where a datagram has the board that is meant, and in a reply the one that answers. */
const [TO, FROM] = [4, 5];

let machine: SimulatedMachine;
let frame: Socket[];
let folder: Awaited<ReturnType<typeof temporaryFolder>>;

beforeAll(async () => {
  folder = await temporaryFolder();
  machine = await SimulatedMachine.start({ board: "spin5", host: HOST, bmpHost: BMP, timeScale: 0.001 });
  frame = await openFrame();
});
afterAll(async () => {
  for (const socket of frame) socket.close();
  await machine.close();
  await folder[Symbol.asyncDispose]();
});

/** A frame of 24 boards that are one and the same, but for one that says nothing. */
async function openFrame(): Promise<Socket[]> {
  const [front, back] = [createSocket("udp4"), createSocket("udp4")];
  front.bind(17893, FRAME);
  back.bind(0, FRAME);
  await Promise.all([once(front, "listening"), once(back, "listening")]);
  let client = { address: "", port: 0 };
  let slot = 0;
  front.on("message", (bytes, from) => {
    client = from;
    slot = bytes[TO]!;
    if (slot === MUTE) return;
    bytes[TO] = 0;
    back.send(bytes, 17893, BMP);
  });
  back.on("message", (bytes) => {
    bytes[FROM] = slot;
    front.send(bytes, client.port, client.address);
  });
  return [front, back];
}

describe("24 slots, one of them mute: the other 23 are reported, status 7", () => {
  it.each([
    ["sensors", []],
    ["power status", ["status", "0-23"]],
    ["bmp info", ["info"]],
  ])(
    "%s",
    async (name, words) => {
      const run = await command([name.split(" ")[0]!, ...words, "--bmp", FRAME, "--json"]);
      expect(run.status, run.stderr).toBe(7);
      expect(run.stderr).toMatch(/^1 of 24 slots failed: 9 \(no answer\)$/m);
      const object = jsonOf(run) as Record<string, { slot: number }[]>;
      expect(schemaProblems(object)).toEqual([]);
      const fine = (object["boards"] ?? object["slots"]) as unknown as { slot: number; state?: string }[];
      expect(fine.filter((board) => board.state !== "failed").length).toBe(23);
    },
    30_000,
  );
});

describe("spinn bmp", () => {
  const bmp = (...words: string[]) => command(["bmp", ...words, "--bmp", BMP]);

  it("says who is there", async () => {
    const { stdout } = await bmp();
    expect(stdout).toMatch(/^frame \d+\nslot +software +serial number +BMP +board +up\n0 +BC&MP 2\.1\.2 +0b0a5000-/);
    expect(stdout).toContain(HOST);
  });

  it("reads and writes registers of FPGAs", async () => {
    expect((await bmp("fpga", "0", "2", "0x40004")).stdout).toMatch(/^0x00040004 {2}0x000000[0-9a-f]{2} {2}\d+\n$/);
    expect((await bmp("fpga", "0", "2", "0x40008", "0x55")).stdout).toBe("0x00040008  0x00000055  85\n");
    expect((await bmp("fpga", "0", "2", "0x40000", "--count", "4")).stdout.trimEnd().split("\n")).toHaveLength(4);
    expect((await bmp("fpga", "0", "2", "0x40008", "1", "--dry-run")).stdout).toMatch(
      /^would write 0x00000001 at 0x00040008 of FPGA 2 in slot 0/,
    );
    expect((await bmp("fpga", "0", "2", "0x40008")).stdout).toMatch(/0x00000055/);
  });

  it("reads the serial flash, to the screen and to a file", async () => {
    expect((await bmp("flash", "0", "0", "16")).stdout).toMatch(/^0x00000000 {2}55 3a 00 08 /);
    expect((await bmp("flash", "0", "0", "1K", "-o", folder.file("flash.bin"))).status).toBe(0);
    expect((await readFile(folder.file("flash.bin"))).length).toBe(1024);
  });

  it.each([
    [["fpga", "0", "3", "0"], /FPGA must be from 0 to 2/],
    [["fpga", "0", "1", "2"], /no multiple of 4/],
    [["leds", "0", "8=on"], /LED must be from 0 to 7/],
    [["power", "on", "0"], /a verb of its own\n.*spinn power on 0/],
    [["inof"], /did you mean info/],
    [["flash", "24"], /slot must be from 0 to 23/],
  ])("%j sends nothing", async (words, said) => {
    const { received } = machine.bmps[0]!.counters;
    const run = await bmp(...words);
    expect(run.status).toBe(2);
    expect(run.stderr).toMatch(said);
    expect(machine.bmps[0]!.counters.received).toBe(received);
  });

  it("a name of the inventory stands for its BMP; temperatures come onto the map", async () => {
    await writeFile(folder.file("boards.yaml"), `boards:\n  desk: { host: ${HOST}, bmp: ${BMP} }\n`);
    process.env["SPINN_BOARDS"] = folder.file("boards.yaml");
    try {
      expect((await command(["sensors", "0", "--bmp", "desk"])).status).toBe(0);
      const map = await command(["map", "--host", "desk", "--svg", folder.file("map.svg")]);
      expect(map).toMatchObject({ status: 0, stderr: "" });
    } finally {
      delete process.env["SPINN_BOARDS"];
    }
    expect(await readFile(folder.file("map.svg"), "utf8")).toMatch(/chip 0,0, .*29\/32 °C/);
    expect((await command(["map", "--host", HOST, "--bmp", BMP])).stdout).toMatch(/ {2}0,0 {3}29\/32 °C \(top, bottom of the board\)/);
    const without = await command(["map", "--host", HOST, "--bmp", at(199)]);
    expect(without.status).toBe(0);
    expect(without.stderr).toMatch(/^no temperatures: /);
  });
});

describe("what others have on a board", () => {
  const board = (...words: string[]) => command([...words, "--host", HOST]);

  it("is said, and --yes is not enough", async () => {
    expect((await board("load", "fixtures/apps/hello.aplx", "0,0,1-2", "--app-id", "77", "--wait")).status).toBe(0);
    expect((await board("tags", "set", "3", "10.9.8.7:5000")).status).toBe(0);
    for (const words of [
      ["power", "off", "0", "--bmp", BMP],
      ["reset", "0", "--bmp", BMP],
      ["routes", "0,0", "--clear", "--host", HOST],
    ]) {
      expect((await command(words)).status, words.join(" ")).toBe(8);
      const refused = await command([...words, "--yes"]);
      expect(refused.status, words.join(" ")).toBe(8);
      expect(refused.stderr).toMatch(
        /would disturb app 77 "application" on 2 cores.*tag 3, which sends to 10\.9\.8\.7:5000.*\n.*add --force/,
      );
    }
    expect((await board("routes", "0,0", "--clear", "--force")).status).toBe(0);
  });

  it("a tag of another host is not taken without --force", async () => {
    const refused = await board("tags", "clear", "3");
    expect(refused.status).toBe(8);
    expect(refused.stderr).toMatch(/another host: tag 3, which sends to 10\.9\.8\.7:5000/);
    expect((await board("tags", "set", "3", "10.9.8.7:5000")).status).toBe(0);
    expect((await board("tags", "clear", "3", "--force")).stdout).toBe("tag 3 is clear\n");
    expect((await board("tags", "set", "3", ".:5000")).status).toBe(0);
    expect((await board("tags", "clear", "3")).status).toBe(0);
  });

  it("an idle board is reset with --yes alone, and with --force whatever is on it", async () => {
    expect((await command(["reset", "0", "--bmp", BMP, "--dry-run"])).stdout).toMatch(/^would do a reset of slot 0/);
    expect((await board("stop", "--app-id", "77")).status).toBe(0);
    expect((await command(["reset", "0", "--bmp", BMP, "--yes"])).status).toBe(0);
    expect((await command(["power", "off", "0", "--bmp", BMP, "--yes"])).status).toBe(0);
  });
});
