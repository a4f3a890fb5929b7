import { readFile, writeFile } from "node:fs/promises";
import { expect, it } from "vitest";
import { command, jsonOf, spinn, temporaryFolder } from "./spinn.js";

const HELLO = "fixtures/apps/hello.aplx";
const FAULTY = "fixtures/apps/faulty.aplx";

it("text is kept once and compared from then on: status 0 as long as it stays, 1 with the lines that differ", async () => {
  await using folder = await temporaryFolder();
  const cores = ["--cores", "0,0,1-2", "1,0,17"];
  const first = await spinn(["test", HELLO, ...cores]);
  expect(first).toMatchObject({ status: 0 });
  expect(first.stdout).toMatch(
    /^0,0,1: hello from core 1 of chip 0,0\n0,0,1: 1024 words.*\n0,0,2: hello.*\n.*\n1,0,17: hello from core 17 of chip 1,0\n/,
  );
  expect(first.stderr).toMatch(/^3 cores ran for \d+ ms: EXIT\n$/);
  await writeFile(folder.file("hello.txt"), first.stdout);
  const again = await command(["test", HELLO, ...cores, "--expect-iobuf", folder.file("hello.txt"), "--expect-state", "exit"]);
  expect(again).toMatchObject({ status: 0, stdout: "" });
  expect(again.stderr).toMatch(/EXIT, as expected\n$/);
  await writeFile(folder.file("hello.txt"), (await readFile(folder.file("hello.txt"), "utf8")).replace("core 2 of", "core 3 of"));
  const other = await command(["test", HELLO, ...cores, "--expect-iobuf", folder.file("hello.txt")]);
  expect(other).toMatchObject({
    status: 1,
    stdout: "line 3:\n- 0,0,2: hello from core 3 of chip 0,0\n+ 0,0,2: hello from core 2 of chip 0,0\n",
  });
  expect(other.stderr).toMatch(/the text is not that of .*hello\.txt/);
});

it("a core that crashes is explained, and is no success unless it was expected to", async () => {
  const run = await command(["test", FAULTY, "--board", "spin5", "--cores", "1,1,5", "--json"]);
  expect(run.status).toBe(1);
  expect(run.stderr).toMatch(/core 1,1,5: data abort: .* which is boot ROM\n/);
  expect(jsonOf(run)).toMatchObject({
    schema: "spinn.test",
    version: 1,
    board: "spin5",
    cores: [{ x: 1, y: 1, p: 5, state: "RTE", text: "" }],
    asExpected: false,
    difference: [],
    wrongStates: [{ x: 1, y: 1, p: 5, state: "RTE" }],
    troubles: [{ x: 1, y: 1, p: 5, message: expect.stringContaining("boot ROM") as string }],
  });
  expect((await command(["test", FAULTY, "--expect-state", "RTE"])).status).toBe(0);
});

it("with the ELF file a crash comes with the calls that led to it, and the whole core can be kept", async () => {
  await using folder = await temporaryFolder();
  const run = await command(["test", FAULTY, "--elf", "fixtures/apps/faulty.elf", "--dump", folder.file("cores"), "--json"]);
  expect(run.status).toBe(1);
  expect(run.stderr).toMatch(/boot ROM\n {2}#0 0x[0-9a-f]{8} app_main\+0x[0-9a-f]+, .*faulty\.c:\d+\n {2}#1 /);
  expect(jsonOf(run)).toMatchObject({
    troubles: [{ backtrace: [{ name: "app_main", origin: "exact" }, { name: "runtime_main" }, { name: "reset" }] }],
  });
  expect(await readFile(folder.file("cores/core-0-0-1.txt"), "utf8")).toMatch(
    /^core 0,0,1 \(physical \d+\), application faulty: data abort/,
  );
  expect(JSON.parse(await readFile(folder.file("cores/core-0-0-1.json"), "utf8"))).toMatchObject({
    schema: "spinn.dump",
    version: 1,
    p: 1,
  });
  expect([
    (await readFile(folder.file("cores/core-0-0-1.itcm"))).length,
    (await readFile(folder.file("cores/core-0-0-1.dtcm"))).length,
  ]).toEqual([0x8000, 0x10000]);
  expect(await command(["test", FAULTY, "--elf", "README.md"])).toMatchObject({
    status: 2,
    stderr: expect.stringMatching(/is no ELF file/) as string,
  });
});

it("profile by function and coverage by line, as tables and as data; both need the ELF file", async () => {
  const words = ["test", FAULTY, "--elf", "fixtures/apps/faulty.elf", "--expect-state", "RTE", "--profile", "--coverage"];
  const run = await command(words);
  expect(run).toMatchObject({ status: 0, stdout: "" });
  expect(run.stderr).toMatch(/instructions +share +calls +address +function\n +\d+ +\d+\.\d % +1 +0x[0-9a-f]{8} +runtime_start\n/);
  expect(run.stderr).toMatch(/faulty\.c +[\d -]+\n/);
  expect(jsonOf(await command([...words, "--json"]))).toMatchObject({
    profile: expect.arrayContaining([expect.objectContaining({ name: "app_main", calls: 1 })]) as unknown,
    coverage: { files: expect.arrayContaining([expect.objectContaining({ file: "apps/faulty/faulty.c" })]) as unknown },
  });
  expect(await command(["test", FAULTY, "--profile"])).toMatchObject({
    status: 2,
    stderr: expect.stringMatching(/--profile needs --elf/) as string,
  });
  expect((await command([...words, "--gdb"])).status).toBe(2);
  expect((await command(["simulate", "--cores", "stock", "--gdb"])).status).toBe(2);
  expect(await command(["test", "--gdb", FAULTY])).toMatchObject({ status: 2, stderr: expect.stringMatching(/--gdb/) as string });
});

it("packets of the cores, a line each, in order", async () => {
  await using folder = await temporaryFolder();
  const run = await command(["test", "fixtures/apps/devices.aplx", "--cores", "0,0,4", "--trace", folder.file("trace.ndjson")]);
  expect(run.status).toBe(0);
  const lines = (await readFile(folder.file("trace.ndjson"), "utf8"))
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as { time: number });
  const core = { x: 0, y: 0, p: 4, type: "multicast", key: "0x00c0de04", payload: "0x12345678" };
  expect(lines).toMatchObject([
    { event: "sent", ...core },
    { event: "received", ...core },
  ]);
  expect(lines[1]!.time - lines[0]!.time).toBeLessThan(20);
  const nowhere = await command(["test", FAULTY, "--trace", "no/such/folder/trace"]);
  expect(nowhere).toMatchObject({ status: 2, stderr: expect.stringMatching(/trace .* cannot be written/) as string });
});

it("an application that never ends runs for the time given, by its own clock", async () => {
  const run = await command(["test", "fixtures/apps/echo.aplx", "--for", "1min", "--expect-state", "EXIT", "--json"]);
  expect(run.status).toBe(1);
  expect(run.stderr).toMatch(/core 0,0,1 is in state RUN, not EXIT/);
  expect(jsonOf(run)).toMatchObject({ ran: 60_000, wrongStates: [{ x: 0, y: 0, p: 1, state: "RUN" }] });
  expect((await command(["test", "fixtures/apps/echo.aplx", "--for", "20ms"])).status).toBe(0);
});

it("what cannot be tested: no file, no APLX image, no such board, no such core or state", async () => {
  for (const [words, complaint] of [
    [["no-such.aplx"], /no such file/],
    [["README.md"], /APLX/],
    [[HELLO, "--expect-iobuf", "no-such.txt"], /the expected text no-such\.txt cannot be read/],
    [[HELLO, "--board", "spin4"], /spin3, spin5/],
    [[HELLO, "--cores", "0,0,x"], /"x" is no number/],
    [[HELLO, "--expect-state", "DONE"], /no state of a core/],
  ] as const) {
    const run = await command(["test", ...words]);
    expect(run, words.join(" ")).toMatchObject({ status: 2, stdout: "" });
    expect(run.stderr).toMatch(complaint);
  }
  const nowhere = await command(["test", HELLO, "--cores", "7,7,1"]);
  expect(nowhere).toMatchObject({ status: 5, stdout: "" });
});
