import { readFileSync } from "node:fs";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { SpinnError } from "../../../src/errors.js";
import { kw, packCall, unpackCall } from "../../../src/services/cluster/apply-message.js";
import { ShapedArray } from "../../../src/services/cluster/array-value.js";
import { Reference, readPickle } from "../../../src/services/cluster/pickle-reader.js";
import { writePickle } from "../../../src/services/cluster/pickle-writer.js";

interface Made {
  readonly python: string;
  readonly value: unknown;
  readonly buffers_b64: readonly string[];
}

const golden = JSON.parse(readFileSync(new URL("../../../fixtures/cluster-pickle.json", import.meta.url), "utf8")) as {
  readonly results: readonly { readonly python: string; readonly json: unknown; readonly pickle_b64: string }[];
  readonly canned_bytes: readonly { readonly json: unknown; readonly buffers_b64: readonly string[] }[];
  readonly numpy: readonly Made[];
  readonly refuse: readonly Made[];
  readonly apply_with_reference: readonly { name: string; args: unknown[]; kwargs: Record<string, unknown>; buffers_b64: string[] }[];
};
const from64 = (text: string): Uint8Array => Buffer.from(text, "base64");
const read = (bytes: Uint8Array): unknown => readPickle([bytes]).value;
/** Golden values in ours: whole numbers that a number cannot hold are bigint. */
function expected(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(expected);
  if (typeof value === "number" && Number.isInteger(value) && Math.abs(value) < 1e18 && !Number.isSafeInteger(value)) return BigInt(value);
  if (typeof value !== "object" || value === null) return value;
  if ("bigint" in value) return BigInt(String(value.bigint));
  if ("bytes_b64" in value) return Uint8Array.from(from64(String(value.bytes_b64)));
  return Object.fromEntries(Object.entries(value).map(([key, entry]) => [key, expected(entry)]));
}
/** Buffers are views of bytes too; compared as what they are. */
const asBytes = (value: unknown): unknown => {
  if (value instanceof Uint8Array) return Uint8Array.from(value);
  if (Array.isArray(value)) return value.map(asBytes);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, entry]) => [key, asBytes(entry)]));
};
/** Arrays in the words of the fixture. */
function described(value: unknown): unknown {
  if (value instanceof ShapedArray) return { ...(described(value.data) as object), shape: value.shape };
  if (value instanceof Uint8Array) return { bytes: value.length };
  if (ArrayBuffer.isView(value)) return { array: value.constructor.name, data: [...(value as Float64Array)] };
  if (Array.isArray(value)) return value.map(described);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, entry]) => [key, described(entry)]));
}

describe("reading what Python pickled", () => {
  it.each(golden.results.map((vector) => [vector.python, vector] as const))("%s", (_, { json, pickle_b64 }) => {
    expect(read(from64(pickle_b64))).toEqual(expected(json));
  });

  it("bytes, within the pickle and behind it", () => {
    for (const { json, buffers_b64 } of golden.canned_bytes) {
      const { value, framesUsed } = readPickle(buffers_b64.map(from64));
      expect(asBytes(value)).toEqual(expected(json));
      expect(framesUsed).toBe(buffers_b64.length);
    }
  });

  it.each(golden.numpy.map((made) => [made.python, made] as const))("%s", (_, { value, buffers_b64 }) => {
    expect(described(readPickle(buffers_b64.map(from64)).value)).toEqual(value);
  });

  it.each(golden.refuse.map((made) => [made.python, made] as const))("refuses %s", (_, { buffers_b64 }) => {
    expect(() => readPickle(buffers_b64.map(from64))).toThrow(expect.objectContaining({ code: "ERR_SPINN_PROTOCOL" }));
  });

  it("keeps __proto__ a key like any other", () => {
    const value = read(writePickle(JSON.parse('{"__proto__": {"polluted": 1}}'))) as object;
    expect(Object.keys(value)).toEqual(["__proto__"]);
    expect(({} as Record<string, unknown>)["polluted"]).toBeUndefined();
  });

  it("takes any bytes without anything but a SpinnError", () => {
    const all = [...golden.results.map(({ pickle_b64 }) => [pickle_b64]), ...golden.numpy.map(({ buffers_b64 }) => buffers_b64)];
    fc.assert(
      fc.property(fc.constantFrom(...all), fc.nat(300), fc.nat(255), fc.boolean(), (frames, at, byte, cut) => {
        const [first, ...rest] = frames.map((frame) => Uint8Array.from(from64(frame)));
        const place = at % first!.length;
        first![place] = byte;
        try {
          readPickle([cut ? first!.subarray(0, place) : first!, ...rest]);
        } catch (error) {
          expect(error).toBeInstanceOf(SpinnError);
        }
      }),
      { numRuns: 1000 },
    );
  });
});

describe("writing what Python unpickles", () => {
  it("goes there and back", () => {
    const plain = fc.letrec((tie) => ({
      value: fc.oneof(
        { maxDepth: 4 },
        fc.constant(null),
        fc.boolean(),
        fc.maxSafeInteger(),
        fc.double(),
        fc.bigInt().filter((value) => !Number.isSafeInteger(Number(value))),
        fc.string({ unit: "grapheme" }),
        fc.uint8Array(),
        fc.array(tie("value")),
        fc.dictionary(fc.string(), tie("value")),
      ),
    })).value;
    fc.assert(
      fc.property(plain, (value) => {
        expect(read(writePickle(value))).toEqual(value);
      }),
    );
  });

  it("makes NumPy arrays of typed arrays", () => {
    // As unpickled by Python in the tests with a real cluster; here, that it is a call of numpy.ndarray over a bytearray.
    const text = Buffer.from(writePickle(new Float32Array([1, 2]))).toString("latin1");
    expect(text).toContain("cnumpy\nndarray\n");
    expect(text).toContain("cbuiltins\nbytearray\n");
    expect(() => new ShapedArray(new Float32Array(3), [2, 2])).toThrow(/no shape/);
  });

  it("names what cannot be sent", () => {
    const round: unknown[] = [];
    round.push(round);
    for (const value of [new Date(), () => 1, Symbol("x"), round, new Set(), new Uint8ClampedArray(1)]) {
      expect(() => writePickle(value)).toThrow(expect.objectContaining({ code: "ERR_SPINN_ARGUMENT" }));
    }
  });
});

describe("calls of a name", () => {
  it("are read as the Python client sends them", () => {
    for (const { name, args, kwargs, buffers_b64 } of golden.apply_with_reference) {
      expect(unpackCall(buffers_b64.map(from64))).toEqual({ name, args, kwargs });
    }
  });

  it("go there and back, with keywords last", () => {
    expect(unpackCall(packCall("board.read", [1, "x", kw({ b: 2, a: [3] })]))).toEqual({
      name: "board.read",
      args: [1, "x"],
      kwargs: { a: [3], b: 2 },
    });
    expect(read(packCall("f", [])[0]!)).toEqual(new Reference("f"));
  });

  it("are no calls of functions that came with them", () => {
    const fn = golden.refuse.find(({ python }) => python === "fn")!;
    expect(() => unpackCall([...fn.buffers_b64.map(from64), writePickle({ nargs: 0, kw_keys: [] })])).toThrow(/CannedFunction/);
    expect(() => unpackCall([packCall("f", [])[0]!, writePickle({ nargs: 1e9, kw_keys: [] })])).toThrow(SpinnError);
  });
});
