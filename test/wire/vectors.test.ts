import { describe, expect, it } from "vitest";
import * as wire from "../../src/wire/index.js";
import { bytes, hex, readVectors } from "../commands/vectors.js";

const vectors = [...readVectors("scp-vectors.json"), ...readVectors("bmp-vectors.json")];
const without = (name: string): boolean => !["boot-sv-block", "tag-strip-payload", "short-packet"].includes(name);
const HEADER = ["flags", "tag", "destPort", "destCpu", "srcPort", "srcCpu", "destX", "destY", "srcX", "srcY"] as const;

const isBoot = ({ fields }: { fields: Readonly<Record<string, number>> }): boolean => fields["opcode"] !== undefined;
const isScp = ({ fields }: { fields: Readonly<Record<string, number>> }): boolean => fields["cmdRc"] !== undefined;

describe("SDP headers of golden packets", () => {
  it.each(vectors.filter((vector) => without(vector.name) && !isBoot(vector)))("$name both ways", ({ hex: text, fields }) => {
    const message = wire.decodeSdp(bytes(text));
    for (const field of HEADER) expect({ [field]: message[field] }).toEqual({ [field]: fields[field] });
    expect(hex(wire.encodeSdp(message))).toBe(text);
  });
});

describe("SCP requests", () => {
  it.each(vectors.filter((vector) => isScp(vector) && vector.direction === "request"))("$name both ways", ({ hex: text, fields }) => {
    const request = wire.decodeScpRequest(bytes(text));
    expect([request.command, request.sequence]).toEqual([fields["cmdRc"], fields["seq"]]);
    expect([request.arg1, request.arg2, request.arg3]).toEqual([fields["arg1"], fields["arg2"], fields["arg3"]]);
    expect(hex(wire.encodeScpRequest(request))).toBe(text);
  });
});

describe("SCP replies", () => {
  it.each(vectors.filter((vector) => isScp(vector) && vector.direction === "reply"))("$name both ways", ({ hex: text, fields }) => {
    const reply = wire.decodeScpReply(bytes(text));
    expect([reply.returnCode, reply.sequence]).toEqual([fields["cmdRc"], fields["seq"]]);
    expect(hex(wire.encodeScpReply(reply))).toBe(text);
  });
});

describe("boot messages", () => {
  it.each(vectors.filter(isBoot))("$name both ways", ({ hex: text, fields }) => {
    const message = wire.decodeBoot(bytes(text));
    const { data, ...header } = message;
    const { version, opcode, operand1, operand2, operand3 } = fields;
    expect(header).toEqual({ version, opcode, operand1, operand2, operand3 });
    expect(data.length).toBe(fields["dataLength"] ?? 0);
    expect(hex(wire.encodeBoot(message))).toBe(text);
  });

  it("are made from an image", () => {
    const named = new Map(vectors.map((vector) => [vector.name, vector.hex]));
    const image = Uint8Array.from({ length: 1024 }, (_, i) => i);
    expect(hex(wire.encodeBoot(wire.bootStart(30)))).toBe(named.get("boot-start-30-blocks"));
    expect(hex(wire.encodeBoot(wire.bootBlock(5, image)))).toBe(named.get("boot-block-5"));
    expect(hex(wire.encodeBoot(wire.bootControl()))).toBe(named.get("boot-control-execute"));
    const short = bytes(named.get("boot-block-29-short")!).subarray(wire.BOOT_HEADER_SIZE);
    expect(hex(wire.encodeBoot(wire.bootBlock(29, wire.swapWords(short))))).toBe(named.get("boot-block-29-short"));
  });

  it("carry the system variables with each word reversed", () => {
    const block = vectors.find(({ name }) => name === "boot-sv-block")!;
    expect(hex(wire.swapWords(bytes(block.hex)))).toBe(block.swappedHex);
    expect(bytes(block.hex).length).toBe(wire.BOOT_SV_SIZE);
  });
});
