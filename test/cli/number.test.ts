import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { parseDuration, parseFactor, parseInteger, parseNumber } from "../../src/cli/number.js";
import { SpinnError } from "../../src/errors.js";

/** The error that a call throws. */
function thrown(call: () => unknown): SpinnError {
  try {
    call();
  } catch (error) {
    if (error instanceof SpinnError) return error;
    throw error;
  }
  throw new Error("nothing was thrown");
}

describe("numbers", () => {
  it.each([
    ["0", 0],
    ["4096", 4096],
    ["0x60240000", 0x60240000],
    ["0XfF", 255],
    ["0b101", 5],
    ["4k", 4096],
    ["4K", 4096],
    ["2M", 2 << 20],
    [" 7 ", 7],
  ])("%s", (text, value) => {
    expect(parseNumber("n", text)).toBe(value);
  });

  it.each([
    ["60240a00", "did you mean 0x60240a00?"],
    ["deadbeef", "did you mean 0xdeadbeef?"],
    ["010", "write 10, or 0x010 for hexadecimal"],
  ])("%s is refused with what may be meant", (text, hint) => {
    expect(thrown(() => parseNumber("n", text))).toMatchObject({ code: "ERR_SPINN_ARGUMENT", hint });
  });

  it.each(["", "zz", "1.5", "-1", "+1", "1e3", "0x", "0b2", "4kb", "10g", "1 2", "0x1g", "NaN", "Infinity", "99999999999999999999"])(
    "%j is refused",
    (text) => {
      expect(thrown(() => parseNumber("n", text)).code).toBe("ERR_SPINN_ARGUMENT");
    },
  );

  it("reads what it would print, in every base", () => {
    fc.assert(
      fc.property(fc.nat(0xffffffff), (value) => {
        expect(parseNumber("n", String(value))).toBe(value);
        expect(parseNumber("n", `0x${value.toString(16)}`)).toBe(value);
        expect(parseNumber("n", `0b${value.toString(2)}`)).toBe(value);
      }),
    );
  });

  it("never takes garbage for a number of its own invention", () => {
    fc.assert(
      fc.property(fc.string(), (text) => {
        try {
          expect(Number.isSafeInteger(parseNumber("n", text))).toBe(true);
        } catch (error) {
          expect((error as SpinnError).code).toBe("ERR_SPINN_ARGUMENT");
        }
      }),
    );
  });

  it("bounds are named", () => {
    expect(parseInteger("port", "1", 1, 65535)).toBe(1);
    expect(thrown(() => parseInteger("port", "65536", 1, 65535)).message).toBe("port must be from 1 to 65535, not 65536");
  });
});

describe("times and factors", () => {
  it.each([
    ["500ms", 500],
    ["1.5s", 1500],
    ["2", 2000],
    ["2min", 120_000],
    ["1h", 3_600_000],
  ])("%s", (text, ms) => {
    expect(parseDuration("--for", text)).toBe(ms);
  });

  it.each(["", "soon", "-1s", "1 day", "ms", "1m"])("%j is no time", (text) => {
    expect(thrown(() => parseDuration("--for", text)).code).toBe("ERR_SPINN_ARGUMENT");
  });

  it("a factor is above zero", () => {
    expect(parseFactor("--time-scale", "0.05")).toBe(0.05);
    for (const text of ["0", "-1", "x", ""]) expect(thrown(() => parseFactor("--time-scale", text)).code).toBe("ERR_SPINN_ARGUMENT");
  });
});
