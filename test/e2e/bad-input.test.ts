import { once } from "node:events";
import { open, readdir, readFile, writeFile } from "node:fs/promises";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { addresses, collect, command, SilentBoard, Simulated, spinn, start, temporaryFolder } from "./spinn.js";

const at = addresses(0);

describe("mistakes of a person end with status 2 before any packet leaves", () => {
  const host = at(1);
  let board: SilentBoard;
  beforeAll(async () => {
    board = await SilentBoard.listen(host);
  });
  afterAll(async () => {
    await board[Symbol.asyncDispose]();
    expect(board.received).toBe(0);
  });
  const mistakes: [string, string[], RegExp][] = [
    ["an address that is no name", ["write", "zz", "1", "--host", host], /"zz" is no known name/],
    ["bare hexadecimal", ["read", "6024010a", "--host", host], /did you mean 0x6024010a/],
    ["decimal digits that are meant as hexadecimal", ["read", "60240000", "--host", host], /did you mean 0x60240000/],
    ["an address outside all memory", ["read", "0x90000000", "4", "--host", host], /nothing is at 0x90000000/],
    ["a range past the end of memory", ["read", "sdram+0x7fffff0", "32", "--host", host], /reach past the end of SDRAM/],
    ["a length that is no number", ["read", "sdram", "10g", "--host", host], /length: "10g" is no number/],
    ["core 18", ["ps", "0,0,18", "--host", host], /core must be from 0 to 17/],
    ["chip 300,0", ["iobuf", "300,0,1", "--host", host], /chip x must be from 0 to 255/],
    ["a misspelt field", ["read", "sv.clok_ms", "--host", host], /did you mean sv\.clock_ms/],
    ["a misspelt signal", ["signal", "strat", "--host", host], /did you mean start/],
    ["a misspelt verb", ["raed", "sdram", "--host", host], /did you mean "read"/],
    ["a misspelt option", ["read", "sdram", "--hots", host], /unknown option '--hots'/],
    ["application 0", ["stop", "--app-id", "0", "--host", host], /from 1 to 255/],
    ["a value that does not fit", ["write", "0,0", "sv.led_period", "256", "--host", host], /from 0 to 255/],
    ["a word at an odd address", ["write", "sdram+1", "1", "--host", host], /no multiple of 4/],
    ["no value", ["write", "sdram", "--host", host], /no value is given/],
    ["one word too many", ["read", "sdram", "4", "5", "--host", host], /one word too many/],
    ["power ON", ["power", "ON", "0", "--bmp", host], /did you mean on/],
    ["power onn", ["power", "onn", "0", "--bmp", host], /did you mean on/],
    ["power without slots", ["power", "off", "--bmp", host], /slots: missing\n +spinn help power/],
    ["a slot that no frame has", ["power", "off", "24", "--bmp", host], /slot must be from 0 to 23/],
    ["an image that is not there", ["load", "nothing.aplx", "0,0,1", "--host", host], /there is no such file/],
    ["an image that is no APLX", ["load", "package.json", "0,0,1", "--host", host], /APLX/],
    ["a boot image that is none", ["boot", "package.json", "--host", host], /boot image|no boot image/],
    ["a state that is none", ["wait", "RUNING", "--host", host], /no state of a core/],
    ["a time that is none", ["wait", "RUN", "--for", "soon", "--host", host], /no length of time/],
  ];

  it.each(mistakes)("%s", async (_, words, said) => {
    const run = await command(words);
    expect(run).toMatchObject({ status: 2, stdout: "" });
    expect(run.stderr).toMatch(said);
    expect(run.stderr).not.toMatch(/\n\s+at /);
    expect(board.received).toBe(0);
  });

  it("no board at all", async () => {
    const run = await command(["ps"]);
    expect(run).toMatchObject({ status: 2, stdout: "" });
    expect(run.stderr).toMatch(/no board is named\n.*SPINN_HOST/s);
  });

  it("a truncated application names what is missing", async () => {
    await using folder = await temporaryFolder();
    const whole = await readFile(new URL("../../fixtures/apps/hello.aplx", import.meta.url));
    await writeFile(folder.file("half.aplx"), whole.subarray(0, 700));
    const run = await command(["load", folder.file("half.aplx"), "0,0,1", "--host", host]);
    expect(run.status).toBe(2);
    expect(run.stderr).toMatch(/spinn load: .+/);
  });

  it("a bring-up script with a typo is told with line and column", async () => {
    await using folder = await temporaryFolder();
    await writeFile(folder.file("night.yaml"), `name: night\nboard: ${host}\nsteps:\n  - powr: on\n  - sleep: 1s\n`);
    const run = await command(["bringup", folder.file("night.yaml")]);
    expect(run.status).toBe(2);
    expect(run.stderr).toMatch(/night\.yaml:4:\d+.*powr/s);
    expect(board.received).toBe(0);
  });

  it("a table of routes with a bad line names the line", async () => {
    await using folder = await temporaryFolder();
    await writeFile(folder.file("bad.routes"), "0x00010000 0xffff0000 links 0\nnonsense\n");
    const run = await command(["routes", "0,0", "--load", folder.file("bad.routes"), "--host", host]);
    expect(run).toMatchObject({ status: 2 });
    expect(run.stderr).toMatch(/line 2/);
  });
});

describe("boards that do not do as they should", () => {
  it("a silent board: status 3, one line and a hint", async () => {
    await using board = await SilentBoard.listen(at(11));
    const run = await spinn(["info", "--host", at(11), "--timeout", "300ms"]);
    expect(run).toMatchObject({ status: 3, stdout: "" });
    expect(run.stderr.trimEnd().split("\n")).toHaveLength(2);
    expect(run.stderr).toMatch(/127\.77\.\d+\.11:17893 does not answer/);
    expect(board.received).toBeGreaterThan(0);
  });

  it("a closed port: status 4", async () => {
    const run = await spinn(["ps", "--host", at(12)]);
    expect(run).toMatchObject({ status: 4, stdout: "" });
    expect(run.stderr).toMatch(/refuses UDP/);
  });

  it("an unknown name: status 4", async () => {
    const run = await spinn(["ps", "--host", "no-such-board.invalid"]);
    expect(run).toMatchObject({ status: 4, stdout: "" });
    expect(run.stderr).toMatch(/"no-such-board\.invalid" is unknown/);
  });

  it("a BMP in place of a board and the other way round: status 9 with where the other one is", async () => {
    await using _machine = await Simulated.start(["--board", "spin5", "--host", at(21), "--bmp-host", at(20)]);
    const board = await spinn(["ps", "--host", at(20)]);
    expect(board.status).toBe(9);
    expect(board.stderr).toMatch(/board management processor.*\n.*plus one/);
    const bmp = await spinn(["sensors", "--bmp", at(21)]);
    expect(bmp.status).toBe(9);
    expect(bmp.stderr).toMatch(/SpiNNaker board/);
  });

  it("a port that is taken: status 4", async () => {
    await using _taken = await SilentBoard.listen(at(30));
    const run = await spinn(["simulate", "--board", "spin3", "--host", at(30)]);
    expect(run).toMatchObject({ status: 4, stdout: "" });
    expect(run.stderr).toMatch(/taken/);
  });
});

describe("on a board that works", () => {
  const host = at(41);

  it("a chip that is not there: status 5; a core in use: status 1; registers without --force: status 8", async () => {
    await using _machine = await Simulated.start(["--board", "spin3", "--host", host]);
    const chip = await spinn(["read", "7,7", "sdram", "4", "--host", host]);
    expect(chip.status).toBe(5);
    expect(chip.stderr).toMatch(/no route to that chip/);
    const register = await spinn(["write", "router", "1", "--host", host]);
    expect(register.status).toBe(8);
    expect(register.stderr).toMatch(/--force/);
    const load = ["load", "fixtures/apps/hello.aplx", "0,0,1", "--wait", "--host", host];
    expect((await spinn(load)).status).toBe(0);
    const again = await spinn(load);
    expect(again.status).toBe(1);
    expect(again.stderr).toMatch(/not free: 0,0,1 WAIT/);
    const missing = await spinn(["load", "fixtures/apps/hello.aplx", "5,5,1", "--host", host]);
    expect(missing.status).toBe(5);
    expect(missing.stderr).toMatch(/no chip 5,5/);
  });

  it("a read that fails leaves no file, not even a temporary one", async () => {
    await using _machine = await Simulated.start(["--board", "spin3", "--host", at(45)]);
    await using folder = await temporaryFolder();
    const run = await spinn(["read", "7,7", "sdram", "64K", "-o", folder.file("block.bin"), "--host", at(45)]);
    expect(run.status).toBe(5);
    expect(await readdir(folder.path)).toEqual([]);
  });

  it("a full disk is said so: a file, and stdout", async () => {
    await using _machine = await Simulated.start(["--board", "spin3", "--host", at(47)]);
    const file = await spinn(["read", "sdram", "64K", "-o", "/dev/full", "--host", at(47)]);
    expect(file.status).toBe(74);
    expect(file.stderr).toMatch(/\/dev\/full cannot be written: the disk is full/);
    await using full = await open("/dev/full", "w");
    const child = start(["read", "sdram", "64K", "--host", at(47)], { stdio: ["ignore", full.fd, "pipe"] });
    const stderr = collect(child.stderr!);
    const [status] = (await once(child, "close")) as [number];
    expect(status).toBe(74);
    expect(stderr()).toMatch(/the output cannot be written/);
  });

  it("a folder that is not there, and a folder in place of a file", async () => {
    await using _machine = await Simulated.start(["--board", "spin3", "--host", at(49)]);
    const nowhere = await spinn(["read", "sdram", "-o", "/nonexistent/x.bin", "--host", at(49)]);
    expect(nowhere.status).toBe(2);
    expect(nowhere.stderr).toMatch(/there is no such folder/);
    const folder = await spinn(["read", "sdram", "-o", "/tmp", "--host", at(49)]);
    expect(folder.status).toBe(2);
    expect(folder.stderr).toMatch(/is a directory/);
  });
});
