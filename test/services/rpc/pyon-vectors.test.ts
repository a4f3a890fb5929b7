import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { SpinnError } from "../../../src/errors.js";
import { decode, encode, type Notation } from "../../../src/services/rpc/index.js";
import { buildValue, type Description, describeValue, normal } from "./description.js";

interface Vector {
  readonly name: string;
  readonly notation: Notation;
  readonly op: "roundtrip" | "decode" | "decode-error" | "encode-error";
  readonly level: "must" | "may";
  readonly pretty?: true;
  readonly pyon?: string;
  readonly decoded?: Description;
  readonly value?: Description;
}

const { vectors } = JSON.parse(readFileSync(new URL("../../../fixtures/sipyco/pyon.json", import.meta.url), "utf8")) as {
  vectors: Vector[];
};

/** `may` vectors that are Python's own habits: refused here, with an error and not with a crash. */
const REFUSED = [
  "v2/decode/tuple_of_string",
  "v2/decode/dict_from_object",
  "v2/decode/complex_string",
  "v2/decode/fraction_string",
  "v2/decode/fraction_float",
  "v2/decode/nparray_infer_dim",
  "v1/decode/bare_tuple",
  "v1/decode/arithmetic",
  "v1/decode/comprehension",
];

const asRead = (vector: Vector): Description => describeValue(decode(vector.pyon!, { notation: vector.notation }));

/** Sets have no order on the wire: one text per order would be right. */
const hasBigSet = (text: string): boolean => /"set",\[\[[^\]]*,/.test(text) || /^\{[^:]*, [^:]*\}$/.test(text);

describe("golden PYON", () => {
  it("holds all 462 vectors", () => {
    expect(vectors).toHaveLength(462);
    const must = new Set(vectors.filter(({ level }) => level === "must").map(({ name }) => name));
    expect(REFUSED.filter((name) => must.has(name))).toEqual([]);
  });

  for (const vector of vectors.filter(({ op }) => op === "roundtrip" || op === "decode")) {
    it(`reads ${vector.name}${vector.pretty ? " (pretty)" : ""}`, () => {
      if (REFUSED.includes(vector.name)) expect(() => asRead(vector)).toThrow(SpinnError);
      else expect(asRead(vector)).toEqual(normal(vector.decoded!));
    });
  }

  for (const vector of vectors.filter(({ op }) => op === "roundtrip")) {
    it(`writes ${vector.name}${vector.pretty ? " (pretty)" : ""}`, () => {
      const { notation, pretty = false, pyon } = vector;
      // What was read is written as it was; a value built from the description too, unless reading is where Python loses the kind.
      const read = encode(decode(pyon!, { notation }), { notation, pretty });
      if (hasBigSet(pyon!)) expect(describeValue(decode(read, { notation }))).toEqual(normal(vector.decoded!));
      else {
        expect(read).toBe(pyon);
        expect(encode(buildValue(vector.decoded!), { notation, pretty })).toBe(pyon);
      }
    });
  }

  for (const vector of vectors.filter(({ op, pyon }) => op === "decode-error" && pyon !== undefined)) {
    it(`refuses ${vector.name}`, () => {
      expect(() => asRead(vector)).toThrow(expect.objectContaining({ code: "ERR_SPINN_PROTOCOL" }));
    });
  }

  it("refuses to write what it cannot", () => {
    const refused = vectors.filter(({ op, value }) => op === "encode-error" && value !== undefined && value.t !== "unsupported");
    expect(refused.length).toBeGreaterThan(4);
    for (const { value, notation } of refused) {
      expect(() => encode(buildValue(value!), { notation })).toThrow(expect.objectContaining({ code: "ERR_SPINN_ARGUMENT" }));
    }
  });
});
