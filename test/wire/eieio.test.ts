import { readFileSync } from "node:fs";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { SpinnError } from "../../src/errors.js";
import {
  createEieioEvents,
  decodeEieioCommand,
  decodeEieioData,
  decodeEieioHeader,
  decodeSdp,
  EIEIO_MAX_FROM_BOARD,
  type EieioCommand,
  type EieioType,
  eieioDataSize,
  eieioElementSize,
  eieioHeaderSize,
  eieioMaxElements,
  eieioSignal,
  encodeEieioCommand,
  encodeEieioData,
  encodeScpRequest,
  encodeSdp,
  FLAGS_NO_REPLY,
  isEieioCommand,
  readEieioEvents,
} from "../../src/wire/index.js";

interface Element {
  readonly key: number;
  readonly payload?: number;
  readonly isTime?: boolean;
}

interface DataFields {
  readonly type: string;
  readonly count: number;
  readonly tag: number;
  readonly prefix: number | null;
  readonly prefixType: string | null;
  readonly payloadBase: number | null;
  readonly isTime: boolean;
  readonly headerSize?: number;
  readonly elements: readonly Element[];
  readonly maxElementsByHost?: number;
  readonly headerOnly?: boolean;
}

interface Vector {
  readonly name: string;
  readonly direction: string;
  readonly hex: string;
  readonly fields: Partial<DataFields> & Record<string, unknown> & { spinnManDecodes?: DataFields; inner?: DataFields };
}

const { vectors } = JSON.parse(readFileSync(new URL("../../fixtures/eieio.json", import.meta.url), "utf8")) as { vectors: Vector[] };
const bytes = (hex: string): Uint8Array => Uint8Array.from(Buffer.from(hex, "hex"));
const hexOf = (message: Uint8Array): string => Buffer.from(message).toString("hex");
const TYPES = ["KEY_16_BIT", "KEY_PAYLOAD_16_BIT", "KEY_32_BIT", "KEY_PAYLOAD_32_BIT"];

const dataOf = (vector: Vector): DataFields | undefined => {
  if (vector.fields.spinnManDecodes !== undefined) return vector.fields.spinnManDecodes;
  return vector.fields.elements === undefined ? undefined : (vector.fields as unknown as DataFields);
};
const dataVectors = vectors.filter((vector) => dataOf(vector) !== undefined);
const commandVectors = vectors.filter((vector) => vector.fields["command"] !== undefined);
const datagramVectors = vectors.filter((vector) => /^(udp|scp)-/.test(vector.name));

function expectMeaning(message: Uint8Array, fields: DataFields): void {
  const header = decodeEieioHeader(message);
  expect(header).toEqual({
    type: TYPES.indexOf(fields.type),
    count: fields.count,
    tag: fields.tag,
    prefix: fields.prefix ?? undefined,
    prefixUpper: fields.prefixType === "UPPER_HALF_WORD",
    payloadBase: fields.payloadBase ?? undefined,
    payloadIsTime: fields.isTime,
  });
  if (fields.headerSize !== undefined) expect(eieioHeaderSize(header)).toBe(fields.headerSize);
  const events = readEieioEvents(message, createEieioEvents());
  const elements = Array.from({ length: events.count }, (_, i) => ({
    key: events.keys[i]!,
    ...(events.hasPayloads ? { payload: events.payloads[i]!, isTime: events.payloadIsTime } : {}),
  }));
  expect(elements).toEqual(fields.elements);
}

describe("data messages, golden", () => {
  test("every vector is a data message, a command, a header or a whole datagram", () => {
    const headers = vectors.filter((vector) => vector.fields.headerOnly === true);
    expect(dataVectors.length + commandVectors.length + datagramVectors.length + headers.length).toBe(vectors.length);
    expect(dataVectors.length).toBeGreaterThan(40);
  });

  test.each(dataVectors.map((vector) => [vector.name, vector] as const))("%s", (_, vector) => {
    const message = bytes(vector.hex);
    const fields = dataOf(vector)!;
    expect(isEieioCommand(message)).toBe(false);
    expectMeaning(message, fields);
    const data = decodeEieioData(message);
    expect(hexOf(encodeEieioData(data))).toBe(vector.hex);
    expect(eieioDataSize(message)).toBe(message.length);
    if (fields.maxElementsByHost !== undefined && vector.direction === "host-to-board") {
      expect(eieioMaxElements(data)).toBe(fields.maxElementsByHost);
    }
    // One byte short is refused, one byte more is ignored.
    expect(() => decodeEieioData(message.subarray(0, -1))).toThrow(/EIEIO message of/);
    expect(() => readEieioEvents(message.subarray(0, -1), createEieioEvents())).toThrow(SpinnError);
    expect(decodeEieioData(Uint8Array.of(...message, 0xaa))).toEqual(data);
  });

  test("a header with every flag", () => {
    const vector = vectors.find((candidate) => candidate.name === "header-all-flags-tag-3")!;
    expect(decodeEieioHeader(bytes(vector.hex))).toEqual({
      type: 2,
      count: 200,
      tag: 3,
      prefix: 0x1111,
      prefixUpper: true,
      payloadBase: 9,
      payloadIsTime: true,
    });
  });
});

/** The command a vector's fields describe. */
function commandOf(fields: Vector["fields"]): EieioCommand {
  const number = (name: string): number => fields[name] as number;
  const place = { x: number("x"), y: number("y"), p: number("p") };
  switch (number("command")) {
    case 1:
      return { kind: "database", path: (fields["path"] as string | null) ?? undefined };
    case 6:
      return { kind: "request-buffers", ...place, region: number("region"), sequence: number("sequence"), space: number("space") };
    case 7: {
      const inner = fields.inner!;
      const data = {
        type: TYPES.indexOf(inner.type) as EieioType,
        count: inner.count,
        tag: 0,
        prefix: undefined,
        prefixUpper: false,
        payloadBase: inner.payloadBase ?? undefined,
        payloadIsTime: inner.isTime,
        keys: Uint32Array.from(inner.elements, (element) => element.key),
        payloads: undefined,
      };
      return { kind: "sequenced-data", region: number("region"), sequence: number("sequence"), data };
    }
    case 8: {
      const requests = (fields["requests"] as { channel: number; region: number; start: number; length: number }[]).map(
        ({ channel, region, start, length }) => ({ channel, region, address: start, length }),
      );
      return { kind: "request-read", ...place, sequence: number("sequence"), requests };
    }
    case 9: {
      const acks = (fields["acks"] as { channel: number; region: number; read: number }[]).map(({ channel, region, read }) => ({
        channel,
        region,
        bytesRead: read,
      }));
      return { kind: "data-read", sequence: number("sequence"), acks };
    }
    case 12:
      return { kind: "data-read-ack", sequence: number("sequence") };
    default:
      return { kind: "other", command: number("command"), body: new Uint8Array() };
  }
}

describe("commands, golden", () => {
  test.each(commandVectors.map((vector) => [vector.name, vector] as const))("%s", (_, vector) => {
    const message = bytes(vector.hex);
    expect(isEieioCommand(message)).toBe(true);
    expect(() => decodeEieioData(message)).toThrow(/command where data/);
    expect(() => readEieioEvents(message, createEieioEvents())).toThrow(/command where data/);
    let expected = commandOf(vector.fields);
    if (expected.kind === "request-read") {
      // This vector was made by an encoder that writes x before y; the firmware, and so we, put y first.
      expected = { ...expected, x: expected.y, y: expected.x };
    }
    expect(decodeEieioCommand(message)).toEqual(expected);
    expect(hexOf(encodeEieioCommand(expected))).toBe(vector.hex);
    if (message.length > 2 && expected.kind !== "database") expect(() => decodeEieioCommand(message.subarray(0, -1))).toThrow(SpinnError);
  });

  test("two read requests have two pad bytes between them", () => {
    const command: EieioCommand = {
      kind: "request-read",
      x: 1,
      y: 2,
      p: 3,
      sequence: 4,
      requests: [
        { channel: 1, region: 2, address: 0x60240000, length: 16 },
        { channel: 3, region: 4, address: 0x70000000, length: 0xffffffff },
      ],
    };
    const message = encodeEieioCommand(command);
    expect(message.length).toBe(6 + 10 + 2 + 10);
    expect(decodeEieioCommand(message)).toEqual(command);
    expect(() => decodeEieioCommand(message.subarray(0, -1))).toThrow(SpinnError);
  });

  test("signals", () => {
    expect(hexOf(encodeEieioCommand(eieioSignal(11)))).toBe("0b40");
    expect(hexOf(encodeEieioCommand(eieioSignal(10)))).toBe("0a40");
  });

  test("a path that is not UTF-8, or too long, is refused", () => {
    expect(() => decodeEieioCommand(Uint8Array.of(1, 0x40, 0xff, 0xfe))).toThrow(/UTF-8/);
    expect(() => decodeEieioCommand(Uint8Array.of(1, 0x40, ...new Uint8Array(50001).fill(65)))).toThrow(/50001/);
    expect(() => encodeEieioCommand({ kind: "database", path: "x".repeat(50001) })).toThrow(/50001/);
  });

  test.each([
    ["region", { kind: "request-buffers", x: 0, y: 0, p: 0, region: 16, sequence: 0, space: 0 }],
    ["core", { kind: "request-buffers", x: 0, y: 0, p: 32, region: 0, sequence: 0, space: 0 }],
    ["space", { kind: "request-buffers", x: 0, y: 0, p: 0, region: 0, sequence: 0, space: 2 ** 32 }],
    ["sequence", { kind: "data-read-ack", sequence: 256 }],
    ["EIEIO command", { kind: "other", command: 16384, body: new Uint8Array() }],
    ["8 read requests", { kind: "request-read", x: 0, y: 0, p: 0, sequence: 0, requests: new Array(8).fill({}) }],
  ] as [string, EieioCommand][])("refuses a wrong %s", (name, command) => {
    expect(() => encodeEieioCommand(command)).toThrow(name);
  });
});

describe("whole datagrams", () => {
  test.each(datagramVectors.filter((vector) => vector.name.startsWith("udp-inject")).map((vector) => [vector.name, vector] as const))(
    "%s",
    (_, vector) => {
      const sdp = decodeSdp(bytes(vector.hex));
      expectMeaning(sdp.data, vector.fields.inner!);
      const { x, y, p, sdpPort } = vector.fields as unknown as { x: number; y: number; p: number; sdpPort: number };
      const header = { flags: FLAGS_NO_REPLY, tag: 0, destPort: sdpPort, destCpu: p, destX: x, destY: y };
      const data = encodeEieioData(decodeEieioData(sdp.data));
      expect(hexOf(encodeSdp({ ...header, srcPort: 0, srcCpu: 0, srcX: 0, srcY: 0, data }))).toBe(vector.hex);
    },
  );

  test("the request that aims a tag at its own sender", () => {
    const vector = vectors.find((candidate) => candidate.name === "scp-iptag-set-strip-use-sender")!;
    const header = { flags: 0x87, tag: 0xff, destPort: 0, destCpu: 0, srcPort: 7, srcCpu: 31, destX: 0, destY: 0, srcX: 0, srcY: 0 };
    const request = { ...header, command: 26, sequence: 1, arg1: 0x50010001, arg2: 0, arg3: 0, data: new Uint8Array() };
    expect(hexOf(encodeScpRequest(request))).toBe(vector.hex);
  });
});

describe("properties", () => {
  const input = fc.integer({ min: 0, max: 3 }).chain((type) => {
    const value = fc.integer({ min: 0, max: type >= 2 ? 0xffffffff : 0xffff });
    const header = { type: type as EieioType, prefix: 1, payloadBase: 1 };
    return fc
      .record({
        elements: fc.array(fc.tuple(value, value), { maxLength: Math.floor((EIEIO_MAX_FROM_BOARD - 8) / eieioElementSize(header.type)) }),
        tag: fc.integer({ min: 0, max: 3 }),
        prefix: fc.option(fc.integer({ min: 0, max: 0xffff }), { nil: undefined }),
        upper: fc.boolean(),
        payloadBase: fc.option(value, { nil: undefined }),
        payloadIsTime: fc.boolean(),
      })
      .map(({ elements, upper, ...rest }) => ({
        type: header.type,
        ...rest,
        prefixUpper: rest.prefix !== undefined && upper,
        keys: elements.map(([key]) => key),
        payloads: (type & 1) === 1 ? elements.map(([, payload]) => payload) : undefined,
      }));
  });

  test("what is encoded decodes to itself, and never looks like a command", () => {
    fc.assert(
      fc.property(input, (value) => {
        const message = encodeEieioData(value);
        expect(isEieioCommand(message)).toBe(false);
        const { count, ...data } = decodeEieioData(message);
        expect(count).toBe(value.keys.length);
        expect({ ...data, keys: [...data.keys], payloads: data.payloads && [...data.payloads] }).toEqual(value);
      }),
    );
  });

  test("both readers of a message agree", () => {
    fc.assert(
      fc.property(input, (value) => {
        const events = readEieioEvents(encodeEieioData(value), createEieioEvents());
        const prefix = value.prefix === undefined ? 0 : value.prefixUpper ? value.prefix * 65536 : value.prefix;
        const or = (a: number, b: number): number => (a | b) >>> 0;
        expect([...events.keys.subarray(0, events.count)]).toEqual(value.keys.map((key) => or(key, prefix)));
        expect([...events.payloads.subarray(0, events.count)]).toEqual(
          value.keys.map((_, i) => or(value.payloads?.[i] ?? 0, value.payloadBase ?? 0)),
        );
      }),
    );
  });

  test("cut anywhere it is refused", () => {
    fc.assert(
      fc.property(input, fc.nat(), (value, where) => {
        const message = encodeEieioData(value);
        expect(() => decodeEieioData(message.subarray(0, where % message.length))).toThrow(SpinnError);
        expect(() => readEieioEvents(message.subarray(0, where % message.length), createEieioEvents())).toThrow(SpinnError);
      }),
    );
  });

  test("garbage decodes or throws SpinnError, and what decodes as a command encodes again", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), (garbage) => {
        const attempt = (decode: () => unknown): void => {
          try {
            decode();
          } catch (error) {
            expect(error).toBeInstanceOf(SpinnError);
          }
        };
        attempt(() => readEieioEvents(garbage, createEieioEvents()));
        attempt(() => {
          const command = decodeEieioCommand(garbage);
          expect(decodeEieioCommand(encodeEieioCommand(command))).toEqual(command);
        });
      }),
    );
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 13 }), fc.uint8Array({ maxLength: 60 }), (number, body) => {
        try {
          const command = decodeEieioCommand(Uint8Array.of(number, 0x40, ...body));
          if (command.kind !== "sequenced-data") expect(decodeEieioCommand(encodeEieioCommand(command))).toEqual(command);
        } catch (error) {
          expect(error).toBeInstanceOf(SpinnError);
        }
      }),
    );
  });

  test.each([
    ["payloads missing", { type: 1, keys: [1] }],
    ["payloads too many", { type: 3, keys: [1], payloads: [1, 2] }],
    ["payloads where none belong", { type: 2, keys: [1], payloads: [1] }],
    ["a key above 16 bits", { type: 0, keys: [65536] }],
    ["a negative key", { type: 2, keys: [-1] }],
    ["a fraction", { type: 2, keys: [1.5] }],
    ["an upper prefix that is not there", { type: 2, keys: [1], prefixUpper: true }],
    ["a wide prefix", { type: 2, keys: [1], prefix: 65536 }],
    ["a wide base", { type: 0, keys: [1], payloadBase: 65536 }],
    ["a tag of 4", { type: 0, keys: [1], tag: 4 }],
    ["256 elements", { type: 0, keys: new Array(256).fill(0) }],
    ["66 words", { type: 2, keys: new Array(66).fill(0) }],
  ] as [string, Parameters<typeof encodeEieioData>[0]][])("refuses %s", (_, value) => {
    expect(() => encodeEieioData(value)).toThrow(SpinnError);
  });
});
