import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { textDifference } from "../../src/cli/text-difference.js";

describe("the difference of two texts", () => {
  it("is the stretch between the first and the last line that differ", () => {
    expect(textDifference("a\nb\nc\nd\n", "a\nB\nC\nC\nd\n")).toEqual(["line 2:", "- b", "- c", "+ B", "+ C", "+ C"]);
    expect(textDifference("", "a\n")).toEqual(["line 1:", "+ a"]);
    expect(textDifference("a\na\n", "a\n")).toEqual(["line 2:", "- a"]);
    expect(textDifference("a\n\n", "a\n")).toEqual(["line 2:", "- "]);
  });

  it("does not count line ends", () => {
    expect(textDifference("a\r\nb", "a\nb\n")).toEqual([]);
  });

  it("counts what is too long to show", () => {
    expect(textDifference("", "x\n".repeat(1000)).slice(-2)).toEqual(["+ x", "+ ... and 980 more"]);
  });

  it("is nothing for equal texts only", () => {
    const text = fc.array(fc.constantFrom("a", "b", ""), { maxLength: 8 }).map((lines) => lines.map((line) => `${line}\n`).join(""));
    fc.assert(
      fc.property(text, text, (one, other) => {
        expect(textDifference(one, other).length === 0).toBe(one === other);
      }),
    );
  });
});
