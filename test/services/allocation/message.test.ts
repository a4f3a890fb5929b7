import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { SpinnError } from "../../../src/errors.js";
import { decodeJobMachine } from "../../../src/services/allocation/job-machine.js";
import { decodeJobStatus } from "../../../src/services/allocation/job-status.js";
import { decodeJobList, decodeMachineList } from "../../../src/services/allocation/listing.js";
import { decodeLine, encodeCommand } from "../../../src/services/allocation/message.js";
import { checkServerVersion, parseServerVersion } from "../../../src/services/allocation/server-version.js";
import { decodePlace } from "../../../src/services/allocation/where-is.js";
import { vectors } from "./vectors.js";

const lines = vectors.exchanges.flatMap(({ recv }) => Object.values(recv).flat()).filter((line) => line !== "CLOSED");

describe("lines of the classic protocol", () => {
  it("reads every line that real servers sent", () => {
    expect(lines.length).toBeGreaterThan(150);
    for (const line of lines) {
      const json = JSON.parse(line) as Record<string, unknown>;
      const message = decodeLine(line.trimEnd());
      if ("return" in json) expect(message).toEqual({ kind: "return", value: json["return"] });
      else if ("exception" in json) expect(message).toEqual({ kind: "exception", text: json["exception"] });
      else if ("jobs_changed" in json) expect(message).toEqual({ kind: "jobs", ids: json["jobs_changed"] });
      else expect(message).toEqual({ kind: "machines", names: json["machines_changed"] });
    }
  });

  it("always writes the three keys, one line", () => {
    fc.assert(
      fc.property(fc.string(), fc.array(fc.jsonValue()), fc.dictionary(fc.string(), fc.jsonValue()), (command, args, kwargs) => {
        const line = encodeCommand(command, args, kwargs);
        expect(line.indexOf("\n")).toBe(line.length - 1);
        expect(JSON.parse(line)).toEqual(JSON.parse(JSON.stringify({ command, args, kwargs })));
      }),
    );
    expect(JSON.parse(encodeCommand("version"))).toEqual({ command: "version", args: [], kwargs: {} });
  });

  it("takes any text without anything but a SpinnError", () => {
    const read = (action: () => unknown): void => {
      try {
        action();
      } catch (error) {
        if (!(error instanceof SpinnError)) throw error;
        expect(error.code).toBe("ERR_SPINN_PROTOCOL");
      }
    };
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.json()), (text) => {
        read(() => decodeLine(text));
      }),
    );
    fc.assert(
      fc.property(fc.constantFrom(...lines), fc.nat(), fc.nat(255), (line, at, byte) => {
        const index = at % line.length;
        read(() => decodeLine(line.slice(0, index)));
        read(() => decodeLine(line.slice(0, index) + String.fromCharCode(byte) + line.slice(index + 1)));
      }),
    );
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        for (const decode of [decodeJobStatus, decodeJobMachine, decodePlace, decodeJobList, decodeMachineList]) read(() => decode(value));
      }),
    );
  });
});

describe("versions", () => {
  it("strips an epoch and knows the newer service by its constant", () => {
    expect(parseServerVersion("1!7.1.0")).toMatchObject({ major: 7, minor: 1, patch: 0, dialect: "python" });
    expect(parseServerVersion("0.5.2")).toMatchObject({ major: 0, minor: 5, patch: 2, dialect: "python" });
    expect(parseServerVersion("5.0.0").dialect).toBe("java");
    expect(() => parseServerVersion("seven")).toThrow(/no version/);
  });

  it("refuses what it was never checked against", () => {
    expect(() => checkServerVersion(parseServerVersion("0.0.9"))).toThrow(/0\.1\.0 to 7/);
    expect(() => checkServerVersion(parseServerVersion("8.0.0"))).toThrow(/0\.1\.0 to 7/);
    expect(checkServerVersion(parseServerVersion("0.1.0")).text).toBe("0.1.0");
  });
});

describe("the dialect of the newer service", () => {
  it("takes its keepalive for the time that it is, and its fillers for nothing", () => {
    const value = { state: 1, power: false, keepalive: 1795225690.36, reason: "", start_time: 1795225690, keepalivehost: "" };
    expect(decodeJobStatus(value, "java")).toEqual({
      state: "queued",
      power: null,
      keepaliveMs: null,
      reason: null,
      startTime: new Date(1795225690_000),
      keepaliveHost: null,
    });
  });

  it("counts links its own way", () => {
    const machine = { name: "m", tags: [], width: 1, height: 1, dead_boards: [], dead_links: [[0, 0, 0, 0]] };
    expect(decodeMachineList([machine], "java")[0]!.deadLinks[0]!.link).toBe("north");
    expect(decodeMachineList([machine], "python")[0]!.deadLinks[0]!.link).toBe("east");
    expect(() => decodeMachineList([{ ...machine, dead_links: [[0, 0, 0, 6]] }])).toThrow(/0 to 5/);
  });
});
