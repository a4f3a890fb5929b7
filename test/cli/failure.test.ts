import { CommanderError } from "commander";
import { describe, expect, it } from "vitest";
import { failureJson, failureOf, failureText } from "../../src/cli/failure.js";
import { checkInventory } from "../../src/cli/inventory.js";
import { editDistance, nearestWord } from "../../src/cli/nearest.js";
import { statusOf } from "../../src/cli/status.js";
import { SpinnError, type SpinnErrorCode } from "../../src/errors.js";

describe("statuses", () => {
  it.each<[SpinnErrorCode, number]>([
    ["ERR_SPINN_ARGUMENT", 2],
    ["ERR_SPINN_SCRIPT", 2],
    ["ERR_SPINN_FILE", 2],
    ["ERR_SPINN_TIMEOUT", 3],
    ["ERR_SPINN_OUTCOME_UNKNOWN", 3],
    ["ERR_SPINN_BOOT", 3],
    ["ERR_SPINN_UNREACHABLE", 4],
    ["ERR_SPINN_ADDRESS_IN_USE", 4],
    ["ERR_SPINN_RETURN_CODE", 5],
    ["ERR_SPINN_SHORT_REPLY", 5],
    ["ERR_SPINN_PROTOCOL", 5],
    ["ERR_SPINN_MACHINE", 5],
    ["ERR_SPINN_MEMORY", 5],
    ["ERR_SPINN_VERIFY", 6],
    ["ERR_SPINN_LOAD", 7],
    ["ERR_SPINN_REFUSED", 8],
    ["ERR_SPINN_WRONG_DEVICE", 9],
    ["ERR_SPINN_STATE", 1],
    ["ERR_SPINN_CLOSED", 70],
    ["ERR_SPINN_ABORTED", 130],
  ])("%s is %i", (code, status) => {
    expect(statusOf(new SpinnError(code, "x"))).toBe(status);
  });

  it("a full disk is no wrong usage; anything unknown is a fault of the program", () => {
    const full = new SpinnError("ERR_SPINN_FILE", "x", { cause: Object.assign(new Error("no space"), { code: "ENOSPC" }) });
    expect(statusOf(full)).toBe(74);
    expect(statusOf(new TypeError("x"))).toBe(70);
    expect(statusOf("x")).toBe(70);
  });
});

describe("how an error is told", () => {
  const error = new SpinnError("ERR_SPINN_TIMEOUT", "h does not answer", { hint: "boot it", board: "h:1", cause: new Error("deep") });

  it("verb, what happened, what to do; the stack only on request", () => {
    const failure = failureOf(error);
    expect(failureText("read", failure, false)).toBe("spinn read: h does not answer\n  boot it");
    expect(failureText(undefined, failure, false)).toMatch(/^spinn: /);
    expect(failureText("read", failure, true)).toMatch(/\n {4}at .*caused by: Error: deep/s);
  });

  it("as an object", () => {
    expect(failureJson("read", failureOf(error))).toMatchObject({
      schema: "spinn.error",
      version: 1,
      verb: "read",
      status: 3,
      error: { code: "ERR_SPINN_TIMEOUT", message: "h does not answer", hint: "boot it", board: "h:1" },
    });
  });

  it("commander's complaints lose their form, and keep the suggestion", () => {
    const failure = failureOf(new CommanderError(1, "commander.unknownOption", "error: unknown option '--hots'\n(Did you mean --host?)"));
    expect(failure).toMatchObject({ status: 2, message: "unknown option '--hots'", hint: "Did you mean --host?" });
  });

  it("a fault of the program says so", () => {
    expect(failureOf(new TypeError("x is undefined"))).toMatchObject({
      status: 70,
      message: "this is a fault of spinn itself: x is undefined",
    });
  });
});

describe("mistyped words", () => {
  const verbs = ["read", "write", "reset", "router", "routes", "ps", "power"];
  it.each([
    ["raed", "read"],
    ["wirte", "write"],
    ["rout", "router"],
    ["pwoer", "power"],
    ["READ", "read"],
    ["xyzzy", undefined],
    ["", undefined],
  ])("%s", (word, near) => {
    expect(nearestWord(word, verbs)).toBe(near);
  });

  it("a swap is one mistake", () => {
    expect(editDistance("raed", "read")).toBe(1);
    expect(editDistance("", "abc")).toBe(3);
  });
});

describe("inventory", () => {
  it("names, hosts, BMPs", () => {
    const inventory = checkInventory({ default: "desk", boards: { desk: "192.168.240.1", rack: { host: "b", port: 1, bmp: "c" } } });
    expect(inventory.default).toBe("desk");
    expect([...inventory.boards]).toEqual([
      ["desk", { host: "192.168.240.1", port: undefined, bmp: undefined }],
      ["rack", { host: "b", port: 1, bmp: "c" }],
    ]);
    expect(checkInventory({}).boards.size).toBe(0);
  });

  it("slots, variables, groups of names and patterns", () => {
    const boards = {
      "r-0": { host: "a", bmp: "m", slot: 0, variables: { cores: "0,0,1", n: 2, on: true } },
      "r-1": { host: "b", bmp: "m", slot: 1 },
      "r.1": "c",
    };
    const inventory = checkInventory({ boards, groups: { rack: ["r-*", "r-1"], one: "r.1" } });
    expect(inventory.boards.get("r-0")).toEqual({ host: "a", bmp: "m", slot: 0, variables: { cores: "0,0,1", n: 2, on: true } });
    expect([...inventory.groups]).toEqual([
      ["rack", ["r-0", "r-1"]],
      ["one", ["r.1"]],
    ]);
  });

  it.each([
    [[], /must be a mapping/],
    [{ boards: { a: { host: "h", slot: 24 } } }, /slot must be 0 to 23/],
    [{ boards: { a: { host: "h", variables: [] } } }, /variables must be a mapping/],
    [{ boards: { a: { host: "h", variables: { b: {} } } } }, /variable "b" must be a plain value/],
    [{ boards: { a: "h" }, groups: { a: ["a"] } }, /"a" is a board and a group/],
    [{ boards: { rack: "h" }, groups: { g: ["rakc"] } }, /group "g": there is no board "rakc"; did you mean "rack"/],
    [{ groups: { g: [1] } }, /group "g" must be a list of boards/],
    [{ groups: [] }, /groups must be a mapping/],
    [null, /must be a mapping/],
    [{ board: {} }, /unknown member "board"; did you mean "boards"/],
    [{ boards: { a: {} } }, /board "a" has no host/],
    [{ boards: { a: { host: "h", port: 70_000 } } }, /port must be/],
    [{ boards: { a: { host: "h", bmp: 1 } } }, /bmp must be a host/],
    [{ boards: { a: 7 } }, /must be a mapping/],
    [{ boards: [] }, undefined],
    [{ default: 1 }, /default must be a name/],
  ])("%j", (value, message) => {
    if (message === undefined) expect(checkInventory(value).boards.size).toBe(0);
    else expect(() => checkInventory(value)).toThrow(message);
  });
});
