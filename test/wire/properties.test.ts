import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { SpinnError } from "../../src/errors.js";
import * as wire from "../../src/wire/index.js";

const byte = fc.integer({ min: 0, max: 255 });
const half = fc.integer({ min: 0, max: 0xffff });
const word = fc.integer({ min: 0, max: 0xffffffff });
const data = (maxLength: number) => fc.uint8Array({ maxLength });
const header = {
  flags: byte,
  tag: byte,
  destPort: fc.nat(7),
  destCpu: fc.nat(31),
  srcPort: fc.nat(7),
  srcCpu: fc.nat(31),
  destX: byte,
  destY: byte,
  srcX: byte,
  srcY: byte,
};

const CODECS = {
  sdp: {
    value: fc.record({ ...header, data: data(272) }),
    encode: wire.encodeSdp,
    decode: wire.decodeSdp,
    least: 10,
    tooLong: (value: wire.SdpMessage) => ({ ...value, data: new Uint8Array(273) }),
  },
  request: {
    value: fc.record({ ...header, command: half, sequence: half, arg1: word, arg2: word, arg3: word, data: data(256) }),
    encode: wire.encodeScpRequest,
    decode: wire.decodeScpRequest,
    least: 26,
    tooLong: (value: wire.ScpRequestPacket) => ({ ...value, data: new Uint8Array(257) }),
  },
  reply: {
    value: fc.record({ ...header, returnCode: half, sequence: half, payload: data(272) }),
    encode: wire.encodeScpReply,
    decode: wire.decodeScpReply,
    least: 14,
    tooLong: (value: wire.ScpReplyPacket) => ({ ...value, payload: new Uint8Array(273) }),
  },
  boot: {
    value: fc.record({
      version: half,
      opcode: word,
      operand1: word,
      operand2: word,
      operand3: word,
      data: data(256).map((bytes) => bytes.subarray(0, bytes.length & ~3)),
    }),
    encode: wire.encodeBoot,
    decode: wire.decodeBoot,
    least: 18,
    tooLong: (value: wire.BootMessage) => ({ ...value, data: new Uint8Array(1028) }),
  },
} as const;

interface Codec {
  readonly value: fc.Arbitrary<unknown>;
  readonly encode: (value: unknown) => Uint8Array;
  readonly decode: (bytes: Uint8Array) => unknown;
  readonly least: number;
  readonly tooLong: (value: unknown) => unknown;
}

describe.each(Object.entries(CODECS) as unknown as [string, Codec][])("%s", (_, codec) => {
  it("comes back as it went", () => {
    fc.assert(
      fc.property(codec.value, (value) => {
        expect(codec.decode(codec.encode(value))).toEqual(value);
      }),
    );
  });

  it("is read wherever it lies in a buffer", () => {
    fc.assert(
      fc.property(codec.value, fc.nat(64), (value, offset) => {
        const bytes = codec.encode(value);
        const slab = new Uint8Array(offset + bytes.length + 16).fill(0xee);
        slab.set(bytes, offset);
        expect(codec.decode(slab.subarray(offset, offset + bytes.length))).toEqual(value);
      }),
    );
  });

  it("cut short is ERR_SPINN_PROTOCOL, never anything else", () => {
    fc.assert(
      fc.property(codec.value, fc.nat(30), (value, length) => {
        const bytes = codec.encode(value).subarray(0, length);
        if (bytes.length >= codec.least) codec.decode(bytes);
        else expect(() => codec.decode(bytes)).toThrow(expect.objectContaining({ code: "ERR_SPINN_PROTOCOL" }));
      }),
    );
  });

  it("garbage decodes, and then encodes to itself but for the pad, or is refused", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 400 }), (bytes) => {
        try {
          const again = codec.encode(codec.decode(bytes));
          expect(again.subarray(2)).toEqual(bytes.subarray(2));
        } catch (error) {
          if (!(error instanceof SpinnError)) throw error;
          expect(["ERR_SPINN_PROTOCOL", "ERR_SPINN_ARGUMENT"]).toContain(error.code);
        }
      }),
    );
  });

  it("too long for a datagram is ERR_SPINN_ARGUMENT", () => {
    fc.assert(
      fc.property(codec.value, (value) => {
        expect(() => codec.encode(codec.tooLong(value))).toThrow(expect.objectContaining({ code: "ERR_SPINN_ARGUMENT" }));
      }),
      { numRuns: 5 },
    );
  });
});

describe("header fields", () => {
  const field = fc.constantFrom(...(Object.keys(header) as (keyof wire.SdpHeader)[]));
  const beyond = fc.oneof(fc.integer({ min: 256, max: 1e6 }), fc.integer({ min: -1e6, max: -1 }), fc.constantFrom(0.5, Number.NaN));

  it("that do not fit are refused by name, not cut off", () => {
    fc.assert(
      fc.property(CODECS.sdp.value, field, beyond, (value, name, number) => {
        const wrong = { ...value, [name]: number };
        const refusal = expect.objectContaining({ code: "ERR_SPINN_ARGUMENT", message: expect.stringContaining(String(number)) as string });
        expect(() => wire.encodeSdp(wrong)).toThrow(refusal);
        expect(() => wire.encodeScpReply({ ...wrong, returnCode: 0x80, sequence: 0, payload: value.data })).toThrow(refusal);
      }),
    );
  });

  it("a core above 31 does not become a port", () => {
    const message = { flags: 7, tag: 255, destPort: 1, destCpu: 33, srcPort: 7, srcCpu: 31, destX: 0, destY: 0, srcX: 0, srcY: 0 };
    expect(() => wire.encodeSdp({ ...message, data: new Uint8Array() })).toThrow(/SDP destination core .* not 33/);
  });
});

describe("words", () => {
  it("swapped twice are what they were", () => {
    fc.assert(
      fc.property(CODECS.boot.value, ({ data: bytes }) => {
        expect(wire.swapWords(wire.swapWords(bytes))).toEqual(bytes);
      }),
    );
  });

  it("must be whole", () => {
    expect(() => wire.swapWords(new Uint8Array(3))).toThrow(expect.objectContaining({ code: "ERR_SPINN_ARGUMENT" }));
    const odd = { version: 1, opcode: 3, operand1: 0, operand2: 0, operand3: 0, data: new Uint8Array(2) };
    expect(() => wire.encodeBoot(odd)).toThrow(expect.objectContaining({ code: "ERR_SPINN_ARGUMENT" }));
  });
});

describe("boot transfers", () => {
  it("are of 1 to 32 blocks", () => {
    for (const blocks of [0, 33, 1.5])
      expect(() => wire.bootStart(blocks)).toThrow(expect.objectContaining({ code: "ERR_SPINN_ARGUMENT" }));
    for (const index of [-1, 32]) {
      expect(() => wire.bootBlock(index, new Uint8Array(4))).toThrow(expect.objectContaining({ code: "ERR_SPINN_ARGUMENT" }));
    }
  });
});

describe("names", () => {
  it("every command number has one name", () => {
    const codes = Object.values(wire.Command);
    expect(new Set(codes).size).toBe(codes.length);
    expect(wire.commandName(wire.Command.READ)).toBe("READ");
    expect(wire.commandName(99)).toBe("command 99");
  });

  it("every return code says what it is and whether to try again", () => {
    for (const code of Object.values(wire.ReturnCode)) expect(wire.returnCodeInfo(code).name).toMatch(/^RC_/);
    expect(wire.returnCodeInfo(0x42)).toEqual({ name: "0x42", meaning: "a code this software does not know", retry: "final" });
    // Advice of the firmware's sheet: these were not executed, so that trying again is safe.
    const busy = Object.values(wire.ReturnCode).filter((code) => wire.returnCodeInfo(code).retry === "busy");
    expect(busy).toEqual([0x86, 0x8a, 0x8b, 0x8d, 0x8f]);
  });

  it("arguments of a reply end where its payload ends", () => {
    fc.assert(
      fc.property(data(40), (payload) => {
        const { arg1, arg2, arg3, data: rest } = wire.readReplyArguments(payload);
        expect([arg1, arg2, arg3].filter((arg) => arg !== undefined).length).toBe(Math.min(3, Math.floor(payload.length / 4)));
        expect(rest.length).toBe(Math.max(0, payload.length - 12));
      }),
    );
  });
});
