import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { SpinnError } from "../../../src/errors.js";
import {
  Complex,
  decode,
  encode,
  Fraction,
  float,
  NdArray,
  NpScalar,
  PyFloat,
  registerPyonType,
  Slice,
  Tuple,
  tuple,
} from "../../../src/services/rpc/index.js";
import { encodeParts } from "../../../src/services/rpc/pyon.js";
import { BUILTIN_HINTS } from "../../../src/services/rpc/pyon-type.js";
import { describeValue } from "./description.js";

const atom = fc.oneof(
  fc.constant(null),
  fc.boolean(),
  fc.maxSafeInteger(),
  fc.bigInt({ min: 2n ** 53n, max: 2n ** 200n }),
  fc.double(),
  fc.integer().map(float),
  fc.string({ unit: "binary" }),
  fc.uint8Array({ maxLength: 20 }),
  fc.tuple(fc.bigInt(), fc.bigInt({ min: 1n })).map(([a, b]) => new Fraction(a, b)),
  fc.float64Array({ maxLength: 6 }).map((data) => NdArray.from(data)),
  fc.int16Array({ minLength: 6, maxLength: 6 }).map((data) => NdArray.from(data, [2, 3])),
  fc.uint32Array({ minLength: 1, maxLength: 1 }).map((data) => new NpScalar("<u4", new Uint8Array(data.buffer))),
);
// No zero real part: Python reads its own `-1j` as (-0-1j), and that as -1j again.
const finite = fc.double({ noDefaultInfinity: true, noNaN: true }).map((value) => value || 1);
const key = fc.oneof(
  fc.string(),
  fc.integer(),
  fc.boolean(),
  fc.integer().map((n) => tuple<unknown>(n, "x")),
);
const values = fc.letrec((again) => ({
  value: fc.oneof(
    { maxDepth: 4 },
    atom,
    fc.array(again("value"), { maxLength: 4 }),
    fc.array(again("value"), { maxLength: 4 }).map((items) => Tuple.from(items)),
    fc.array(fc.tuple(fc.string(), again("value")), { maxLength: 4 }).map((pairs) => new Map(pairs)),
    fc.array(fc.tuple(key, again("value")), { maxLength: 4 }).map((pairs) => new Map<unknown, unknown>(pairs)),
    fc.tuple(finite, finite).map(([re, im]) => new Complex(re, im)),
    fc.tuple(fc.integer(), fc.integer()).map(([start, stop]) => new Slice(start, stop)),
  ),
})).value;

describe("round trip", () => {
  for (const notation of ["v2", "v1"] as const) {
    it(`${notation}: what is written is read back, and written again the same`, () => {
      fc.assert(
        fc.property(values, fc.boolean(), (value, pretty) => {
          const text = encode(value, { notation, pretty });
          expect(text).toMatch(pretty ? /^[\n\u0020-\u007e]*$/ : /^[\u0020-\u007e]*$/);
          const read = decode(text, { notation });
          if (!pretty) expect(encode(read, { notation })).toBe(text);
          expect(describeValue(decode(encode(read, { notation }), { notation }))).toEqual(describeValue(read));
        }),
        { numRuns: 300 },
      );
    });

    it(`${notation}: no prefix and no garbled text does more than throw a SpinnError`, () => {
      const damaged = fc.tuple(values, fc.nat(), fc.nat(), fc.string({ maxLength: 3 })).map(([value, at, drop, put]) => {
        const text = encode(value, { notation });
        const from = at % (text.length + 1);
        return text.slice(0, from) + put + text.slice(from + (drop % 4));
      });
      fc.assert(
        fc.property(
          fc.oneof(damaged, fc.string({ unit: "binary" }), fc.string({ unit: fc.constantFrom(..."([{}]),:'\"\\b1.-+jexu ") })),
          (text) => {
            try {
              decode(text, { notation });
            } catch (error) {
              expect(error).toBeInstanceOf(SpinnError);
            }
          },
        ),
        { numRuns: 1000 },
      );
    });
  }
});

describe("forms", () => {
  it("keeps 1 and 1.0 apart in the exact form, and makes both numbers in the plain form", () => {
    expect(encode(decode("[1,1.0,-0.0,1e16]"))).toBe("[1,1.0,-0.0,1e+16]");
    const plain = decode('{"a":1.0,"b":[2.5,12345678901234567890]}', { values: "plain" });
    expect(plain).toEqual(Object.assign(Object.create(null), { a: 1, b: [2.5, 12345678901234567890n] }));
    expect(Object.getPrototypeOf(plain)).toBeNull();
    expect((decode("3.0") as PyFloat) instanceof PyFloat && Number(decode("3.0")) + 1).toBe(4);
  });

  it("keeps the order of keys that look like numbers, in the exact form", () => {
    expect(encode(decode('{"b":1,"10":2,"9":3}'))).toBe('{"b":1,"10":2,"9":3}');
  });

  it("gives typed arrays over the very bytes that were decoded", () => {
    const array = decode(encode(new Float64Array([1.5, -2]))) as NdArray;
    expect(array.data).toBeInstanceOf(Float64Array);
    expect(array.data).toEqual(new Float64Array([1.5, -2]));
    expect(array.data.buffer).toBe(array.bytes.buffer);
    const big = new NdArray(">f8", [1], Buffer.from("3ff8000000000000", "hex"));
    expect([...big.data]).toEqual([1.5]);
    expect([...new NdArray("<f2", [3], Buffer.from("003e00fc0100", "hex")).data]).toEqual([1.5, -Infinity, 2 ** -24]);
    expect(new NdArray("<U2", [2], Buffer.from("61000000620000006300000000000000", "hex")).item(1)).toBe("c");
    expect(new NpScalar("<c8", Buffer.from("000000000000803f", "hex")).value).toEqual(new Complex(0, 1));
  });

  it("reads either notation when told to find out", () => {
    expect(decode("(1, 2)", { notation: "auto" })).toEqual(tuple(1, 2));
    expect(decode('{"__jsonclass__":["tuple",[[1,2]]]}', { notation: "auto" })).toEqual(tuple(1, 2));
    expect(() => decode("foo(", { notation: "auto" })).toThrow(SpinnError);
    expect(() => decode('{"__jsonclass__":["set",[[[1]]]]}', { notation: "auto" })).toThrow(/cannot be a key/);
  });
});

describe("refusals", () => {
  class Custom {}

  it("says where inside a value it found what it cannot write", () => {
    const cases: [unknown, string][] = [
      [{ args: [1, { "a b": undefined }] }, 'value.args[1]["a b"] is undefined'],
      [[new Custom()], "value[0] is of class Custom"],
      [new Map([[1, () => 0]]), "value[0] is a function"],
      [{ deep: { __jsonclass__: 1 } }, "value.deep has the key __jsonclass__"],
      [[new Date(0)], "value[0] is of class Date"],
      [[Symbol.iterator], "value[0] is a symbol"],
    ];
    for (const [value, message] of cases) {
      expect(() => encode(value)).toThrow(
        expect.objectContaining({ code: "ERR_SPINN_ARGUMENT", message: expect.stringContaining(message) }),
      );
    }
  });

  it("says where inside a text it stopped", () => {
    expect(() => decode('{"a":[1,{"b":x}]}')).toThrow(/at character 13 \(value\.a\[1\]\.b\)/);
    expect(() => decode("{'a': [1, foo]}", { notation: "v1" })).toThrow(/value\.a\[1\].*foo/);
  });

  it("neither overflows nor goes on for ever on deep, circular or huge values", () => {
    const circle: unknown[] = [];
    circle.push(circle);
    expect(() => encode(circle)).toThrow(/contains itself/);
    expect(() => encode(circle, { notation: "v1" })).toThrow(/contains itself/);
    const deep = "[".repeat(100_000) + "]".repeat(100_000);
    expect(() => decode(deep)).toThrow(/deeper than 10000/);
    expect(() => decode(deep, { notation: "v1" })).toThrow(/deeper than 10000/);
    const lifted = { maxDepth: 200_000 };
    expect(encode(decode(deep, lifted), lifted)).toBe(deep);
    expect(() => decode("9".repeat(4301))).toThrow(/4300 digits/);
    expect(() => decode("9".repeat(4301), { notation: "v1" })).toThrow(/4300 digits/);
    expect(() => decode(`{"__jsonclass__":["nparray",[[4294967296,4294967296],"<f8",""]]}`)).toThrow(SpinnError);
  });

  it("evaluates nothing", () => {
    for (const text of ["__import__('os')", "(lambda: 1)()", "[].append(1)", "open('x')", "slice.__class__", "Fraction(1, 2).real"]) {
      expect(() => decode(text, { notation: "v1" })).toThrow(SpinnError);
    }
  });

  it("takes __proto__ for a key like any other", () => {
    const value = decode('{"__proto__":{"polluted":1}}', { values: "plain" }) as Record<string, unknown>;
    expect(Object.keys(value)).toEqual(["__proto__"]);
    expect(({} as Record<string, unknown>)["polluted"]).toBeUndefined();
    expect(encode(value)).toBe('{"__proto__":{"polluted":1}}');
  });
});

describe("large arrays", () => {
  const join = (parts: readonly (string | Uint8Array)[]): string =>
    parts.map((part) => (typeof part === "string" ? part : Buffer.from(part).toString("latin1"))).join("");

  it("written in parts are the same text", () => {
    fc.assert(
      fc.property(values, (value) => {
        expect(join(encodeParts(value, "v2"))).toBe(encode(value));
      }),
      { numRuns: 200 },
    );
    const random = (length: number): Uint8Array => Uint8Array.from({ length }, (_, i) => (i * 2654435761) >>> 13);
    for (const length of [16 * 1024 - 1, 16 * 1024, 48 * 1024, 48 * 1024 + 1, 200_000]) {
      for (const value of [
        random(length),
        { a: [1, random(length), "x", [random(length)]], b: NdArray.from(random(length)) },
        new Float32Array(length),
        [new Float64Array(length), new NpScalar("<u4", random(4))],
      ]) {
        const parts = encodeParts(value, "v2");
        if (length >= 16 * 1024) expect(parts.length).toBeGreaterThan(2);
        expect(join(parts)).toBe(encode(value));
      }
    }
    expect(encodeParts(random(20_000), "v1")).toEqual([encode(random(20_000), { notation: "v1" })]);
  });

  it("whose base64 holds what no text may hold are refused, wherever it stands", () => {
    const text = encode(new Uint8Array(200_000));
    expect((decode(text) as Uint8Array).length).toBe(200_000);
    for (const at of [40, 70_000, 140_000, text.length - 20]) {
      for (const bad of ["\n", "\t", "\0", "\u001f"]) {
        expect(() => decode(text.slice(0, at) + bad + text.slice(at + 1)), `${JSON.stringify(bad)} at ${at}`).toThrow(/control character/);
      }
      // What is no base64 but a text: decoders skip it, so the length is wrong.
      expect(() => decode(`${text.slice(0, at)}*${text.slice(at + 1)}`)).toThrow(/base64/);
    }
    expect(decode(JSON.stringify("x".repeat(100_000)))).toBe("x".repeat(100_000));
    expect(decode(JSON.stringify('ü\n"'.repeat(30_000)))).toBe('ü\n"'.repeat(30_000));
  });
});

describe("classes of one's own", () => {
  class Waveform {
    readonly name: string;
    readonly samples: Float64Array;

    constructor(name: string, samples: Float64Array) {
      this.name = name;
      this.samples = samples;
    }
  }
  const decodeWaveform = (name: unknown, samples: unknown): Waveform => {
    if (typeof name !== "string" || !(samples instanceof NdArray)) throw new TypeError("a Waveform is a name and samples");
    return new Waveform(name, samples.data as Float64Array);
  };

  it("travel as class hints, at any depth, beside the builtin ones", () => {
    const type = { name: "lab.Waveform", type: Waveform, encode: (one: Waveform) => [one.name, one.samples], decode: decodeWaveform };
    const takeBack = registerPyonType(type);
    try {
      const value = new Waveform("ramp", new Float64Array([1, 2.5]));
      const text = encode(value);
      expect(text).toBe('{"__jsonclass__":["lab.Waveform",["ramp",{"__jsonclass__":["nparray",[[2],"<f8","AAAAAAAA8D8AAAAAAAAEQA=="]]}]]}');
      expect(decode(text)).toEqual(value);
      const deep = tuple<unknown>(new Map([["a", [value, value]]]), 1);
      expect(decode(encode(deep))).toEqual(deep);
      expect(encode(decode(encode(deep)))).toBe(encode(deep));
      const broken = '[1,{"__jsonclass__":["lab.Waveform",[7]]}]';
      expect(() => decode(broken)).toThrow(/a Waveform is a name and samples/);
      expect(() => decode(broken)).toThrow(SpinnError);
      // What it cannot write is named by its place inside.
      expect(() => encode(new Waveform("x", (() => {}) as never))).toThrow(/function/);
      expect(() => encode(value, { notation: "v1" })).toThrow(/Waveform/);
      expect(() => registerPyonType(type)).toThrow(/known already/);
      expect(() => registerPyonType({ ...type, name: "tuple", type: class Other {} as never })).toThrow(/known already/);
    } finally {
      takeBack();
    }
    expect(() => encode(new Waveform("x", new Float64Array(1)))).toThrow(/class Waveform/);
    expect(() => decode('{"__jsonclass__":["lab.Waveform",[]]}')).toThrow(/no PYON type/);
  });

  it("are the names of the builtin ones kept", () => {
    for (const name of BUILTIN_HINTS) {
      expect(() => decode(`{"__jsonclass__":[${JSON.stringify(name)},[1,2,3,4,5]]}`)).toThrow(/with 5 arguments/);
    }
  });
});
