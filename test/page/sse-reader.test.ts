import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { SseReader } from "../../src/page/sse-reader.js";

describe("server-sent events", () => {
  it("are read however they are cut", () => {
    const event = fc.record({ event: fc.stringMatching(/^[a-z]{1,8}$/), data: fc.jsonValue().map((value) => JSON.stringify(value)) });
    fc.assert(
      fc.property(fc.array(event), fc.array(fc.nat(40)), (events, cuts) => {
        const text = events.map(({ event, data }) => `: beat\n\nevent: ${event}\ndata: ${data}\n\n`).join("");
        const reader = new SseReader();
        const found: unknown[] = [];
        let at = 0;
        for (const length of cuts) {
          found.push(...reader.push(text.slice(at, at + length)));
          at += length;
        }
        found.push(...reader.push(text.slice(at)));
        expect(found).toEqual(events);
      }),
    );
  });

  it("an event of several lines is one, an unfinished one is none", () => {
    const reader = new SseReader();
    expect(reader.push("data: a\ndata: b\n\nevent: late\ndata: c\n")).toEqual([{ event: "message", data: "a\nb" }]);
    expect(reader.push("\n")).toEqual([{ event: "late", data: "c" }]);
  });
});
