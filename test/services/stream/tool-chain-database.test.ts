import { execFileSync, spawnSync } from "node:child_process";
import { copyFile, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { SpinnError } from "../../../src/errors.js";
import { readToolChainDatabase } from "../../../src/services/stream/index.js";
import { SQLiteFile } from "../../../src/services/stream/sqlite-file.js";
import { parseCreateTable } from "../../../src/services/stream/sqlite-schema.js";

const NEW = "fixtures/tool-chain/7.sqlite3";
const OLD = "fixtures/tool-chain/5.sqlite3";

const hasPython = spawnSync("python3", ["-c", "import sqlite3"]).status === 0;

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "spinnkit-database-"));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

async function failure(work: () => Promise<unknown>): Promise<SpinnError> {
  const error = await work().then(
    () => undefined,
    (caught: unknown) => caught,
  );
  expect(error).toBeInstanceOf(SpinnError);
  return error as SpinnError;
}

describe("the tool chain's database", () => {
  test.each([NEW, OLD])("%s: keys, steps", async (path) => {
    const { keyMap, runtimeMs, stepMs, isProxied } = await readToolChainDatabase(path);
    expect({ runtimeMs, stepMs, isProxied }).toEqual({ runtimeMs: 5000, stepMs: 1, isProxied: false });
    expect(keyMap.ranges).toEqual([
      { label: "exc", firstKey: 0x800, count: 100, firstAtom: 0 },
      { label: "stimulus", firstKey: 0x1000, count: 10, firstAtom: 0 },
      { label: "exc", firstKey: 0x04080800, count: 50, firstAtom: 100 },
      { label: "inh", firstKey: 0x04081000, count: 20, firstAtom: 0 },
    ]);
  });

  test("since 7.0: the tags of the boards whose gatherers a population has, and cores to send to", async () => {
    const { outputs, inputs } = await readToolChainDatabase(NEW);
    expect(outputs.map(({ label, receiver, board, tag }) => `${label} by ${receiver}: ${board} ${tag}`)).toEqual([
      "exc by gatherer on 0,0: 127.79.200.1 1",
      "stimulus by gatherer on 0,0: 127.79.200.1 1",
      "exc by gatherer on 4,8: 127.79.200.2 1",
      "inh by gatherer on 4,8: 127.79.200.2 1",
    ]);
    expect(outputs[0]).toMatchObject({ host: "127.0.0.1", port: 0, stripsSdp: true });
    expect(inputs.find(({ label }) => label === "stimulus")?.target).toEqual({ host: "127.79.200.1", core: { x: 0, y: 0, p: 2 } });
    // The core is on the chip 4,8: its own board is the way to it.
    expect(inputs.find(({ label }) => label === "inh")?.target).toEqual({ host: "127.79.200.2", core: { x: 4, y: 8, p: 2 } });
  });

  test("up to 6.0: edges of the application, reverse tags", async () => {
    const { outputs, inputs } = await readToolChainDatabase(OLD);
    expect(outputs.filter(({ label }) => label === "inh").map(({ receiver, board }) => [receiver, board])).toEqual([
      ["gatherer", "127.79.200.1"],
      ["gatherer", "127.79.200.2"],
    ]);
    expect(inputs.filter(({ label }) => label === "stimulus")).toEqual([
      { label: "stimulus", target: { host: "127.79.200.1", port: 12345 } },
    ]);
  });

  test.skipIf(!hasPython)("credentials of a job are noticed and not read", async () => {
    const path = join(folder, "proxied.sqlite3");
    const python =
      "import sqlite3,sys\nd=sqlite3.connect(sys.argv[1])\nd.execute(\"INSERT INTO proxy_configuration VALUES ('COOKIE','a','secret')\")";
    await copyFile(NEW, path);
    execFileSync("python3", ["-c", `${python}\nd.commit()\nd.close()`, path]);
    const database = await readToolChainDatabase(path);
    expect(database.isProxied).toBe(true);
    expect(JSON.stringify(database)).not.toContain("secret");
  });

  test("files that are none", async () => {
    expect(await failure(() => readToolChainDatabase(join(folder, "nothing")))).toMatchObject({ code: "ERR_SPINN_FILE" });
    expect((await failure(() => readToolChainDatabase("package.json"))).message).toMatch(/is no SQLite database/);
    expect((await failure(() => readToolChainDatabase(folder))).code).toBe("ERR_SPINN_FILE");
    expect((await failure(() => readToolChainDatabase(NEW, { maxBytes: 1000 }))).message).toMatch(/at most 1000 are read/);
  });

  test.skipIf(!hasPython)("a pipe does not keep the reader waiting", async () => {
    const path = join(folder, "pipe");
    execFileSync("python3", ["-c", "import os,sys\nos.mkfifo(sys.argv[1])", path]);
    expect((await failure(() => readToolChainDatabase(path))).message).toMatch(/is no file/);
  });

  test("a writer that is at it, or was killed", async () => {
    for (const suffix of ["-journal", "-wal"]) {
      const path = join(folder, `busy${suffix}.sqlite3`);
      await copyFile(NEW, path);
      await writeFile(path + suffix, new Uint8Array(28));
      await readToolChainDatabase(path);
      await writeFile(path + suffix, Uint8Array.of(0xd9, 0xd5, 0x05, 0xf9));
      expect((await failure(() => readToolChainDatabase(path))).message).toMatch(/is being changed/);
    }
  });

  test("damage anywhere ends in an error or in rows, soon, and never in anything else", async () => {
    const good = await readFile(NEW);
    const path = join(folder, "damaged.sqlite3");
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.tuple(fc.nat(good.length - 1), fc.integer({ min: 0, max: 255 })), { minLength: 1, maxLength: 40 }),
        fc.integer({ min: 0, max: good.length }),
        async (changes, length) => {
          const bad = Buffer.from(good);
          for (const [at, byte] of changes) bad[at] = byte;
          await writeFile(path, changes.length % 4 === 0 ? bad.subarray(0, length) : bad);
          try {
            const file = await SQLiteFile.open(path);
            for (const table of file.tables) {
              let rows = 0;
              for (const _ of file.rows(table)) rows += 1;
              expect(rows).toBeLessThan(good.length);
            }
          } catch (error) {
            if (!(error instanceof SpinnError)) throw error;
            expect(error.code).toBe("ERR_SPINN_FILE");
          }
        },
      ),
      { numRuns: 300 },
    );
  });
});

describe("rows", () => {
  test("a row that goes on in other pages, and one that begins in a page of its own", async () => {
    const file = await SQLiteFile.open(NEW);
    const labels = Array.from(file.rows("MACHINE_VERTICES"), ({ label }) => String(label));
    expect(labels.slice(0, 2)).toEqual(["gatherer on 0,0", "gatherer on 4,8"]);
    expect(labels[2]).toMatch(/^exc 0-99( on a core with a name that is far too long for a page of this file){12}$/);
    expect(file.has("proxy_configuration")).toBe(true);
    expect([...file.rows("proxy_configuration")]).toEqual([]);
    expect(() => file.rows("nobody")).toThrow(/has no table nobody/);
  });
});

describe("CREATE TABLE", () => {
  test.each([
    ["CREATE TABLE a(b INTEGER PRIMARY KEY AUTOINCREMENT, c TEXT)", ["b", "c"], 0],
    ["CREATE TABLE a(b INT PRIMARY KEY, c)", ["b", "c"], -1],
    ["CREATE TABLE a(b INTEGER, c REAL DEFAULT (1, 2), PRIMARY KEY (b))", ["b", "c"], 0],
    ["CREATE TABLE a(b INTEGER, c INTEGER, PRIMARY KEY (b, c) FOREIGN KEY (b) REFERENCES d(e))", ["b", "c"], -1],
    ['CREATE TABLE "a(" ("b, ""c" TEXT, -- no (\n [d e] /* , f */ BLOB, `g` INTEGER PRIMARY KEY DESC)', ['b, "c', "d e", "g"], -1],
  ])("%s", (sql, columns, rowIdColumn) => {
    expect(parseCreateTable("a", sql, 2)).toEqual({ name: "a", columns, rowIdColumn, isIndexed: false, rootPage: 2 });
  });

  test("without row numbers; not one at all", () => {
    expect(parseCreateTable("a", "CREATE TABLE a(b PRIMARY KEY) WITHOUT ROWID", 2)?.isIndexed).toBe(true);
    expect(parseCreateTable("a", "CREATE TABLE a(b", 2)).toBeUndefined();
    expect(parseCreateTable("a", "garbage", 2)).toBeUndefined();
  });
});
