import fc from "fast-check";
import { expect, it } from "vitest";
import { SpinnError } from "../../../src/errors.js";
import {
  decodeProxyFrame,
  encodeClose,
  encodeDatagram,
  encodeDatagramTo,
  encodeOpen,
  encodeOpenUnconnected,
} from "../../../src/services/allocation/proxy-message.js";
import { vectors } from "./vectors.js";

const frames = (from: "client" | "server"): string[] => vectors.proxy.frames.filter((frame) => frame.from === from).map(({ hex }) => hex);
const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");
const bytes = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text, "hex"));

it("frames to the proxy are those of the reference client", () => {
  const version = bytes(frames("client")[1]!.slice(16));
  expect(
    [
      encodeOpen(0, { chip: { x: 0, y: 0 }, port: 17893 }),
      encodeDatagram(8, version),
      encodeOpen(1, { chip: { x: 0, y: 0 }, port: 54321 }),
      encodeOpenUnconnected(2),
      encodeDatagramTo(10, { chip: { x: 4, y: 8 }, port: 17893 }, bytes("000068656c6c6f")),
      encodeClose(3, 8),
      encodeOpen(4, { chip: { x: 3, y: 3 }, port: 17893 }),
    ].map(hex),
  ).toEqual(frames("client"));
});

it("frames of the proxy are understood", () => {
  const [opened, message, boot, listening, closed, error] = frames("server").map((frame) => decodeProxyFrame(bytes(frame)));
  expect(opened).toEqual({ kind: "opened", correlation: 0, channel: 8 });
  expect(message).toMatchObject({ kind: "datagram", channel: 8 });
  expect(hex((message as { datagram: Uint8Array }).datagram)).toBe(frames("server")[1]!.slice(16));
  expect(boot).toEqual({ kind: "opened", correlation: 1, channel: 9 });
  expect(listening).toEqual({ kind: "listening", correlation: 2, channel: 10, host: "10.11.192.11", port: 40321 });
  expect(closed).toEqual({ kind: "closed", correlation: 3, channel: 8 });
  expect(error).toEqual({ kind: "error", correlation: 4, words: "unrecognised ethernet chip" });
});

it("datagrams come back as they were", () => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 0xffffffff }), fc.uint8Array({ maxLength: 2040 }), (channel, datagram) => {
      expect(decodeProxyFrame(encodeDatagram(channel, datagram))).toEqual({ kind: "datagram", channel, datagram });
    }),
  );
});

it("garbage and cut frames are errors of the protocol, and nothing else", () => {
  const whole = frames("server").map(bytes);
  const garbage = fc.oneof(
    fc.uint8Array({ maxLength: 40 }),
    fc.record({ frame: fc.constantFrom(...whole), cut: fc.nat(60) }).map(({ frame, cut }) => frame.subarray(0, cut)),
  );
  fc.assert(
    fc.property(garbage, (frame) => {
      try {
        decodeProxyFrame(frame);
      } catch (error) {
        expect(error).toBeInstanceOf(SpinnError);
        expect((error as SpinnError).code).toBe("ERR_SPINN_PROTOCOL");
      }
    }),
  );
  expect(() => decodeProxyFrame(bytes("0200"))).toThrow(/too short/);
  expect(() => decodeProxyFrame(bytes(`${frames("server")[0]}00`))).toThrow(/13 bytes where 12 belong/);
  expect(() => decodeProxyFrame(bytes("06000000"))).toThrow(/unknown kind 6/);
});
