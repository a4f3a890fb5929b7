import { writeFile } from "node:fs/promises";
import { PassThrough, Writable } from "node:stream";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Interrupts, run } from "../../src/cli/run.js";
import { VERBS } from "../../src/cli/verbs.js";
import { SimulatedMachine } from "../../src/simulator/index.js";
import { FakeJobs } from "../services/allocation/fake-server.js";
import { schemaProblems } from "./json-schema.js";
import { addresses, collect, SilentBoard, temporaryFolder } from "./spinn.js";

// One line that works for every verb there is, and what can be wrong with it. A verb that is not in this table fails the first test.

const at = addresses(4);
const HOST = at(1);
const BMP = at(100);
const [SILENT, CLOSED] = [at(201), at(202)];

interface Case {
  /** Words that work. FOLDER is a folder with the files below. */
  readonly words: readonly string[];
  /** What it talks to. `none`: to nobody. `via`: to a controller. */
  readonly to: "board" | "bmp" | "via" | "none";
  /** Status of the words that work. Default 0. */
  readonly status?: number;
  /** The same with a chip that no machine has, and with one that this machine has not. */
  readonly badChip?: readonly string[];
  readonly noChip?: readonly string[];
  readonly badAddress?: readonly string[];
  /** The same with an input file that is not there. */
  readonly noFile?: readonly string[];
  /** The same with output to a full disk. */
  readonly fullDisk?: readonly string[];
  /** It changes something, and takes --dry-run. */
  readonly changes?: true;
  /** It runs until it is interrupted. */
  readonly endless?: true;
  /** Its statuses for a silent board, a closed port and a BMP, where it asks in a way of its own. Default 3, 4 and 9. */
  readonly wrong?: readonly [silent: number | undefined, closed: number, kind: number];
  /** Lines of text that are as long as they are: code, pictures, scripts. */
  readonly wide?: true;
}

const CASES: Readonly<Record<string, Case>> = {
  // Places of scripts are the bring-up's own, and tested there.
  bringup: { words: ["bringup", "FOLDER/version.yaml"], to: "board", noFile: ["bringup", "FOLDER/none.yaml"] },
  ybug: { words: ["ybug", "FOLDER/a.ybug"], to: "board", noFile: ["ybug", "FOLDER/none.ybug"], wide: true },
  bmpc: { words: ["bmpc", "FOLDER/a.bmpc"], to: "bmp", noFile: ["bmpc", "FOLDER/none.bmpc"], wide: true },
  simulate: { words: ["simulate", "--board", "spin3", "--host", at(210)], to: "none", endless: true },
  // What it talks to is a port of its own, and tested with that.
  faults: { words: ["faults", `${CLOSED}:4000`], to: "none", status: 4 },
  replay: { words: ["replay", "FOLDER/none.pcap"], to: "none", status: 2, noFile: ["replay", "FOLDER/none.pcap"] },
  test: { words: ["test", "fixtures/apps/hello.aplx", "--cores", "0,0,1"], to: "none", noFile: ["test", "FOLDER/none.aplx"] },
  discover: { words: ["discover", "--for", "20ms", "--listen", at(211)], to: "none", status: 1 },
  boot: {
    words: ["boot", "fixtures/bringup/simulated.boot"],
    to: "board",
    wrong: [undefined, 4, 9],
    noFile: ["boot", "FOLDER/none.boot"],
    changes: true,
  },
  doctor: { words: ["doctor"], to: "board", wide: true },
  info: { words: ["info"], to: "board" },
  map: { words: ["map"], to: "board", fullDisk: ["map", "--svg", "/dev/full"], wide: true },
  ps: { words: ["ps", "0,0", "--all"], to: "board", badChip: ["ps", "300,0"], noChip: ["ps", "7,0"] },
  registers: { words: ["registers", "0,0,1"], to: "board", badChip: ["registers", "0,0,18"], noChip: ["registers", "7,0,1"] },
  links: { words: ["links", "0,0"], to: "board", badChip: ["links", "0,256"], noChip: ["links", "7,0"] },
  leds: { words: ["leds", "0,0", "0=on"], to: "board", badChip: ["leds", "300,0", "0=on"], noChip: ["leds", "7,0", "0=on"], changes: true },
  bench: { words: ["bench", "--bytes", "4K"], to: "board", fullDisk: ["bench", "--bytes", "4K", "--svg", "/dev/full"] },
  read: {
    words: ["read", "0,0", "sdram", "64"],
    to: "board",
    badChip: ["read", "300,0", "sdram", "4"],
    noChip: ["read", "7,0", "sdram", "4"],
    badAddress: ["read", "0,0", "0x90000000", "4"],
    fullDisk: ["read", "0,0", "sdram", "64K", "-o", "/dev/full"],
  },
  write: {
    words: ["write", "0,0", "sdram+2M", "1"],
    to: "board",
    badChip: ["write", "300,0", "sdram", "1"],
    noChip: ["write", "7,0", "sdram", "1"],
    badAddress: ["write", "0,0", "zz", "1"],
    noFile: ["write", "sdram", "--input", "FOLDER/none.bin"],
    changes: true,
  },
  fill: {
    words: ["fill", "0,0", "sdram+2M", "64"],
    to: "board",
    badChip: ["fill", "300,0", "sdram", "4"],
    noChip: ["fill", "7,0", "sdram", "4"],
    badAddress: ["fill", "0,0", "0x90000000", "4"],
    changes: true,
  },
  dump: {
    words: ["dump", "FOLDER/snapshot", "0,0", "1,1", "sdram+2M", "256"],
    to: "board",
    badChip: ["dump", "FOLDER/x", "300,0", "sdram", "4"],
    noChip: ["dump", "FOLDER/x", "7,0", "sdram", "4"],
    badAddress: ["dump", "FOLDER/x", "0,0", "0x90000000", "4"],
  },
  restore: { words: ["restore", "FOLDER/snapshot"], to: "board", noFile: ["restore", "FOLDER/none"], changes: true },
  heap: { words: ["heap", "0,0"], to: "board", badChip: ["heap", "300,0"], noChip: ["heap", "7,0"] },
  load: {
    words: ["load", "fixtures/apps/hello.aplx", "1,1,1", "--wait", "--force"],
    to: "board",
    badChip: ["load", "fixtures/apps/hello.aplx", "300,0,1"],
    noChip: ["load", "fixtures/apps/hello.aplx", "7,0,1"],
    noFile: ["load", "FOLDER/none.aplx", "1,1,1"],
    changes: true,
  },
  start: { words: ["start"], to: "board", changes: true },
  signal: { words: ["signal", "usr0"], to: "board", changes: true },
  wait: { words: ["wait", "WAIT+RUN+EXIT", "--for", "5s"], to: "board", badChip: ["wait", "RUN", "300,0,1"] },
  iobuf: { words: ["iobuf", "1,1,1"], to: "board", badChip: ["iobuf", "300,0,1"], noChip: ["iobuf", "7,0,1"] },
  stop: { words: ["stop", "--app-id", "30"], to: "board", changes: true },
  router: { words: ["router", "0,0"], to: "board", badChip: ["router", "300,0"], noChip: ["router", "7,0"] },
  routes: {
    words: ["routes", "0,0", "--load", "FOLDER/a.routes"],
    to: "board",
    badChip: ["routes", "300,0"],
    noChip: ["routes", "7,0"],
    noFile: ["routes", "0,0", "--load", "FOLDER/none.routes"],
    changes: true,
  },
  tags: { words: ["tags", "set", "1", ".:17892"], to: "board", changes: true },
  stream: { words: ["stream", "events", "--for", "50ms"], to: "board", wrong: [3, 3, 5] },
  power: { words: ["power", "status", "0"], to: "bmp" },
  reset: { words: ["reset", "0", "--dry-run"], to: "none", changes: true },
  bmp: { words: ["bmp", "info", "0"], to: "bmp", fullDisk: ["bmp", "flash", "0", "-o", "/dev/full"] },
  sensors: { words: ["sensors", "0"], to: "bmp" },
  serve: { words: ["serve", "--simulation", "--port", "0"], to: "none", endless: true },
  alloc: { words: ["alloc", "3", "--hold", "1ms", "--spalloc", "SPALLOC"], to: "none", changes: true },
  jobs: { words: ["jobs", "--spalloc", "SPALLOC"], to: "none" },
  machines: { words: ["machines", "--spalloc", "SPALLOC"], to: "none" },
  // With a cluster: among the tests with real peers.
  engine: { words: ["engine", "--simulation", "1", "--cluster", "FOLDER/none.json"], to: "none", status: 2 },
  runs: { words: ["runs"], to: "via" },
  watch: { words: ["watch", "1"], to: "via" },
  pause: { words: ["pause", "1"], to: "via" },
  resume: { words: ["resume", "1"], to: "via" },
  step: { words: ["step", "1"], to: "via" },
  "stop-run": { words: ["stop-run", "1"], to: "via" },
  help: { words: ["help", "places"], to: "none", wide: true },
  completion: { words: ["completion", "bash"], to: "none", wide: true },
};

/** Verbs whose text in JSON is not one object of a schema: several, or that of others' formats. */
const OTHER_JSON = new Set(["simulate", "serve", "stream"]);

let machine: SimulatedMachine;
let silent: SilentBoard;
let spalloc: Awaited<ReturnType<typeof FakeJobs.start>>;
let folder: Awaited<ReturnType<typeof temporaryFolder>>;

beforeAll(async () => {
  folder = await temporaryFolder();
  await writeFile(folder.file("version.yaml"), "steps:\n  - check-version: 4.0.0\n");
  await writeFile(folder.file("a.ybug"), "sver\nsmemw 60000000\n");
  await writeFile(folder.file("a.bmpc"), "sver\nadc\n");
  await writeFile(folder.file("a.routes"), "0x00010000 0xffff0000 links 0,2 cores 1,5\n");
  machine = await SimulatedMachine.start({ board: "spin5", host: HOST, bmpHost: BMP, timeScale: 0.01 });
  silent = await SilentBoard.listen(SILENT);
  spalloc = await FakeJobs.start();
  spalloc.first = "ready";
});

afterAll(async () => {
  await machine.close();
  await silent[Symbol.asyncDispose]();
  await spalloc.server.close();
  await folder[Symbol.asyncDispose]();
});

interface Ways {
  readonly columns?: number;
  readonly interrupts?: Interrupts;
  readonly stdout?: Writable;
}

const NO_INTERRUPTS: Interrupts = { signal: new AbortController().signal, received: undefined, status: 130 };

async function spinn(words: readonly string[], { columns, interrupts = NO_INTERRUPTS, stdout = new PassThrough() }: Ways = {}) {
  const stderr = new PassThrough();
  const out = stdout instanceof PassThrough ? collect(stdout) : () => "";
  const err = collect(stderr);
  if (columns !== undefined) for (const stream of [stdout, stderr]) Object.assign(stream, { isTTY: true, columns });
  const here = words.map((word) => word.replace("FOLDER", folder.path).replace("SPALLOC", `127.0.0.1:${spalloc.server.port}`));
  const status = await run(here, { stdin: {}, stdout: stdout as PassThrough, stderr }, interrupts);
  return { status, out: out(), err: err() };
}

const target = (host: string, to: Case["to"]): string[] => {
  if (to === "none") return [];
  return [to === "bmp" ? "--bmp" : to === "via" ? "--via" : "--host", to === "via" ? `${host}:3277` : host];
};

const rows = Object.entries(CASES);
const having = (name: keyof Case): [string, Case][] => rows.filter(([, known]) => known[name] !== undefined);
const talking = rows.filter(([name, { to }]) => (to === "board" || to === "bmp") && name !== "bringup");
const ending = rows.filter(([, { endless, to }]) => endless === undefined && to !== "via");

it("every verb is in the table", () => {
  expect(Object.keys(CASES).sort()).toEqual(Object.keys(VERBS).sort());
});

describe("as it should be, without a terminal", () => {
  it.each(ending)("%s: no escape codes, no carriage returns, the status that its help promises", async (_, { words, to, status = 0 }) => {
    const done = await spinn([...words, ...target(to === "bmp" ? BMP : HOST, to)]);
    expect(done, done.err).toMatchObject({ status });
    // biome-ignore lint/suspicious/noControlCharactersInRegex: ESC is what every escape code begins with
    expect(`${done.out}${done.err}`).not.toMatch(/[\u001b\r]/);
  });

  it.each(ending.filter(([name]) => !OTHER_JSON.has(name)))(
    "%s --json: objects of its schema, and nothing else",
    async (_, { words, to, status = 0 }) => {
      const done = await spinn([...words, ...target(to === "bmp" ? BMP : HOST, to), "--json"]);
      expect(done, done.err).toMatchObject({ status });
      for (const line of done.out.trimEnd().split("\n")) expect(schemaProblems(JSON.parse(line))).toEqual([]);
    },
  );

  it.each(ending)("%s on a terminal of 40 columns", async (_, { words, to, status = 0, wide }) => {
    const done = await spinn([...words, ...target(to === "bmp" ? BMP : HOST, to), "--no-progress"], { columns: 40 });
    expect(done, done.err).toMatchObject({ status });
    // biome-ignore lint/suspicious/noControlCharactersInRegex: ESC is what a colour begins with
    const plain = done.out.replaceAll(/\u001b\[[0-9;]*m/g, "");
    // Nothing is cut off: what has no place to break in 40 columns is longer.
    const tables = plain.split("\n").filter((line) => line.length > 40 && / {2}\S.* {2}\S/.test(line));
    if (wide === undefined) expect(tables).toEqual([]);
  });
});

it("ps of a whole board asks for each chip's cores in one go", async () => {
  const { counters } = machine.boards[0]!;
  await spinn(["info", "--host", HOST]);
  const before = counters.received;
  await spinn(["info", "--host", HOST]);
  const discovery = counters.received - before;
  await spinn(["ps", "--all", "--host", HOST]);
  // 18 blocks of 128 bytes are 9 packets of 256; rig asks 18 times a chip, and one after the other.
  expect(counters.received - before - 2 * discovery).toBeLessThanOrEqual(48 * 9 + 20);
});

describe("the wrong place", () => {
  it.each(talking)("%s: nothing named", async (_, { words }) => {
    const done = await spinn(words);
    expect(done).toMatchObject({ status: 2, out: "" });
    expect(done.err).toMatch(/no (board|BMP) is named\n.*give --/s);
  });

  // Booting waits for a silent board: that is what it is for.
  it.each(talking.filter(([name]) => name !== "boot"))("%s: silence", async (_, { words, to, wrong = [3] }) => {
    const done = await spinn([...words, ...target(SILENT, to), "--timeout", "100ms"]);
    expect(done.status, done.err).toBe(wrong[0]);
    if (words[0] !== "doctor") expect(done.err).toMatch(/does not answer|did not answer/);
  });

  it.each([...talking, ...having("to").filter(([, { to }]) => to === "via")])(
    "%s: a closed port",
    async (_, { words, to, wrong = [3, 4] }) => {
      const done = await spinn([...words, ...target(CLOSED, to), ...(to === "via" ? [] : ["--timeout", "300ms"])]);
      expect(done.status, done.err).toBe(wrong[1]);
      if (words[0] !== "doctor") expect(done.err.trimEnd().split("\n").length).toBeLessThanOrEqual(4);
    },
  );

  it.each(talking.filter(([name]) => name !== "info"))(
    "%s: a BMP for a board, or the other way round",
    async (_, { words, to, wrong = [3, 4, 9] }) => {
      const done = await spinn([...words, ...target(to === "bmp" ? HOST : BMP, to), "--timeout", "300ms"]);
      expect(done.status, done.err).toBe(wrong[2]);
    },
  );
});

describe("wrong words", () => {
  it.each([...having("badChip"), ...having("badAddress"), ...having("noFile")])("%s: status 2 and no packet", async (_, known) => {
    const received = machine.boards[0]!.counters.received;
    for (const words of [known.badChip, known.badAddress, known.noFile]) {
      if (words === undefined) continue;
      const done = await spinn([...words, ...target(known.to === "bmp" ? BMP : HOST, known.to)]);
      expect(done, words.join(" ")).toMatchObject({ status: 2, out: "" });
      expect(done.err).toMatch(/^spinn \S+: \S/);
    }
    expect(machine.boards[0]!.counters.received).toBe(received);
  });

  it.each(having("noChip"))("%s: a chip that is not there", async (_, { noChip, to }) => {
    const done = await spinn([...noChip!, ...target(HOST, to)]);
    expect(done.status, done.err).toBe(5);
    expect(done.err).toMatch(/7,0/);
  });

  it.each(rows)("%s: an option that nobody knows", async (name) => {
    expect(await spinn([name, "--bogus"])).toMatchObject({ status: 2, out: "" });
  });
});

describe("changes", () => {
  it.each(having("changes"))("%s --dry-run says what it would do, and changes nothing", async (_, { words, to }) => {
    const done = await spinn([...words, ...target(HOST, to), "--dry-run"]);
    expect(done, done.err).toMatchObject({ status: 0 });
    expect(done.out).toMatch(/^would .*; nothing was sent\n$/);
  });

  it("every verb that has --dry-run is in the table as one that changes something", async () => {
    const found: string[] = [];
    for (const name of Object.keys(VERBS)) {
      const { out } = await spinn([name, "--help"]);
      if (out.includes("--dry-run")) found.push(name);
    }
    const known = having("changes").map(([name]) => name);
    expect(found.filter((name) => !known.includes(name)).sort()).toEqual(["bmp", "bringup", "jobs", "power"]);
  });
});

describe("the world outside", () => {
  it.each(having("fullDisk"))("%s: a full disk", async (_, { fullDisk, to }) => {
    const done = await spinn([...fullDisk!, ...target(to === "bmp" ? BMP : HOST, to)]);
    expect(done.status, done.err).toBe(74);
    expect(done.err).toMatch(/\/dev\/full cannot be written: the disk is full/);
  });

  it.each(ending)("%s: a reader that goes away is no error", async (_, { words, to, status = 0 }) => {
    const gone = new Writable({
      write(_chunk, _encoding, done) {
        done(Object.assign(new Error("write EPIPE"), { code: "EPIPE" }));
      },
    });
    const done = await spinn([...words, ...target(to === "bmp" ? BMP : HOST, to)], { stdout: gone });
    expect(done.status, done.err).toBe(status);
    expect(done.err).not.toMatch(/EPIPE|fault of spinn/);
  });

  it.each(rows.filter(([name]) => !["help", "completion", "engine"].includes(name)))("%s: Ctrl-C", async (_, { words, to, endless }) => {
    const stop = new AbortController();
    const interrupts = {
      signal: stop.signal,
      get received() {
        return stop.signal.aborted ? "SIGINT" : undefined;
      },
      status: 130,
    };
    const stdout = new PassThrough();
    // At its first text, or at once: in the middle of whatever it does first.
    if (endless) stdout.once("data", () => stop.abort("SIGINT"));
    else setImmediate(() => stop.abort("SIGINT"));
    const done = await spinn([...words, ...target(to === "bmp" ? BMP : to === "via" ? CLOSED : HOST, to)], { interrupts, stdout });
    expect([130, 0, 1, 4], done.err).toContain(done.status);
    if (done.status === 130) expect(done.err).toMatch(/interrupted; \S/);
    expect(done.err).not.toMatch(/fault of spinn/);
  });
});
