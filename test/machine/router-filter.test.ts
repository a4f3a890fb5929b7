import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { decodeRouterErrors, decodeRouterFilter, encodeRouterFilter, type RouterFilter } from "../../src/machine/index.js";

const elsewhere = ["core", "monitor", "link0", "link1", "link2", "link3", "link4", "link5"] as const;

describe("router filters", () => {
  // The words SC&MP sets: sark_hw.c `dgf_init`.
  it.each<[string, RouterFilter, number]>([
    ["local multicast", { packetTypes: ["multicast"], sources: ["local"], destinations: elsewhere }, 0x01fe7cf1],
    ["external P2P", { packetTypes: ["p2p"], sources: ["external"], destinations: elsewhere }, 0x01febcf2],
    ["external fixed-route", { packetTypes: ["fixedRoute"], sources: ["external"], destinations: elsewhere }, 0x01febcf8],
    ["dropped nearest-neighbour", { packetTypes: ["nearestNeighbour"], destinations: ["dropped"] }, 0x0001fcf4],
  ])("are SC&MP's own for %s", (_, filter, word) => {
    expect(encodeRouterFilter(filter)).toBe(word);
  });

  // SpiNNMan's diagnostic_filter.py, run.
  it.each<[RouterFilter, number]>([
    [{ packetTypes: ["multicast"], defaultRouted: ["defaultRouted"], sources: ["external"] }, 0x1ffb4f1],
    [{ packetTypes: ["multicast"], defaultRouted: ["defaultRouted"], sources: ["external"], emergencyOf: "outgoing" }, 0x1ffb5f1],
    [{ packetTypes: ["multicast"], defaultRouted: ["defaultRouted"], sources: ["local"], emergencyOf: "outgoing" }, 0x1ff75f1],
    [
      {
        ...{ interrupt: true, destinations: ["dropped", "link5"], sources: ["local"], payload: ["without"], emergency: ["firstStage"] },
        packetTypes: ["fixedRoute", "p2p"],
      },
      0x41016c4a,
    ],
  ])("are SpiNNMan's: %o", (filter, word) => {
    expect(encodeRouterFilter(filter)).toBe(word);
  });

  it("come back from any word of their bits", () => {
    fc.assert(
      fc.property(fc.nat(0xffffffff), (bits) => {
        const filter = decodeRouterFilter(bits >>> 0);
        const lists = [filter.packetTypes, filter.emergency, filter.defaultRouted, filter.payload, filter.sources, filter.destinations];
        if (lists.some((list) => list.length === 0)) expect(() => encodeRouterFilter(filter)).toThrow(/never counts/);
        else expect(encodeRouterFilter(filter)).toBe((bits & 0x41fffdff) >>> 0);
      }),
    );
  });

  it("refuse a name that is none", () => {
    expect(() => encodeRouterFilter({ sources: ["remote" as "local"] })).toThrow(
      expect.objectContaining({ code: "ERR_SPINN_ARGUMENT", hint: "they are local external" }),
    );
  });
});

describe("decodeRouterErrors", () => {
  it("reads count and flags", () => {
    expect(decodeRouterErrors(0)).toEqual({ count: 0, kinds: [] });
    expect(decodeRouterErrors(0xa8000007)).toEqual({ count: 7, kinds: ["error", "parity", "timestamp"] });
    expect(decodeRouterErrors(0x500000ff)).toEqual({ count: 255, kinds: ["overflow", "framing"] });
  });
});
