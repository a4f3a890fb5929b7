import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { Packet } from "../../src/emulator/index.js";
import type { Link } from "../../src/machine/index.js";
import { arpReply, hostMac, readFrame, udpFrame } from "../../src/simulator/silicon/ethernet-frame.js";
import { EthernetMac } from "../../src/simulator/silicon/ethernet-mac.js";
import { SiliconRouter } from "../../src/simulator/silicon/silicon-router.js";

const octet = fc.integer({ min: 0, max: 255 });
const ipArbitrary = fc.tuple(octet, octet, octet, octet);

describe("frames", () => {
  it("carry datagrams both ways, padded or not", () => {
    const datagram = fc.record({
      from: ipArbitrary,
      to: ipArbitrary,
      fromPort: fc.nat(65535),
      port: fc.nat(65535),
      data: fc.uint8Array({ maxLength: 1400 }),
    });
    fc.assert(
      fc.property(datagram, fc.nat(20), ({ from, to, fromPort, port, data }, padding) => {
        const frame = udpFrame({ mac: hostMac(from), ip: from, port: fromPort }, { mac: hostMac(to), ip: to, port }, data);
        const padded = new Uint8Array(frame.length + padding);
        padded.set(frame);
        expect(readFrame(padded)).toEqual({ kind: "udp", ip: to.join("."), port, fromPort, data });
        // The sum over the IPv4 header with its checksum is 0 (RFC 1071).
        let sum = 0;
        for (let i = 14; i < 34; i += 2) sum += (frame[i]! << 8) | frame[i + 1]!;
        expect(((sum & 0xffff) + (sum >>> 16)) & 0xffff).toBe(0xffff);
      }),
    );
  });

  it("that are cut short or garbage say nothing, or no more than they hold", () => {
    const whole = udpFrame(
      { mac: hostMac([1, 2, 3, 4]), ip: [1, 2, 3, 4], port: 1 },
      { mac: hostMac([5, 6, 7, 8]), ip: [5, 6, 7, 8], port: 2 },
      new Uint8Array(40),
    );
    for (let length = 0; length < whole.length; length += 1) expect(readFrame(whole.subarray(0, length))).toBeUndefined();
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 100 }), (bytes) => {
        const read = readFrame(bytes);
        if (read?.kind === "udp") expect(read.data.length).toBeLessThanOrEqual(bytes.length);
      }),
    );
  });

  it("answer the board's question for an address", () => {
    const reply = arpReply(
      { mac: hostMac([127, 0, 0, 1]), ip: [127, 0, 0, 1] },
      { mac: Uint8Array.of(0, 0, 0xa4, 0, 0, 2), ip: [127, 0, 0, 2] },
    );
    expect(Buffer.from(reply.subarray(0, 42)).toString("hex")).toBe(
      "0000a400000202007f000001" + "0806" + "0001080006040002" + "02007f0000017f000001" + "0000a40000027f000002",
    );
  });
});

describe("the Ethernet MAC", () => {
  const REGISTERS = 0xc000;

  it("shows one frame after the other, counts them, and lowers its line when told", () => {
    const lines: boolean[] = [];
    const mac = new EthernetMac(
      () => undefined,
      (level) => lines.push(level),
    );
    mac.receive(Uint8Array.of(1, 2, 3, 4, 5));
    mac.receive(Uint8Array.of(9, 9));
    expect([mac.readRegister(REGISTERS + 4), mac.readRegister(0x8000), mac.readRegister(0x4000)]).toEqual([2 << 1, 5, 0x0403_0201]);
    mac.writeRegister(REGISTERS + 0x10, 1);
    expect([mac.readRegister(REGISTERS + 4), mac.readRegister(0x8000), mac.readRegister(0x4000) & 0xffff]).toEqual([1 << 1, 2, 0x0909]);
    mac.writeRegister(REGISTERS + 0x10, 1);
    mac.writeRegister(REGISTERS + 0x20, 0x10);
    expect(mac.readRegister(REGISTERS + 4)).toBe(0);
    expect(lines).toEqual([true, true, false]);
  });

  it("sends what was written in bytes and words, and no more than its memory holds", () => {
    const sent: Uint8Array[] = [];
    const mac = new EthernetMac(
      (frame) => sent.push(frame),
      () => undefined,
    );
    mac.writeRegister(0, 0x0403_0201);
    mac.writeByte(4, 5);
    mac.writeRegister(REGISTERS + 8, 5);
    mac.writeRegister(REGISTERS + 0xc, 1);
    mac.writeRegister(REGISTERS + 8, 0xffff);
    mac.writeRegister(REGISTERS + 0xc, 1);
    expect([...sent[0]!]).toEqual([1, 2, 3, 4, 5]);
    expect(sent[1]).toHaveLength(0x600);
  });

  it("loses the frame that finds no room", () => {
    const mac = new EthernetMac(
      () => undefined,
      () => undefined,
    );
    for (let i = 0; i < 64; i += 1) mac.receive(new Uint8Array(60));
    mac.receive(new Uint8Array(4000));
    expect([mac.dropped, mac.readRegister(REGISTERS + 4) >>> 1]).toEqual([2, 63]);
  });
});

describe("the router of an emulated chip", () => {
  interface Seen {
    readonly to: string;
    readonly key: number;
    readonly payload: number | undefined;
  }

  function routerWith(links: readonly Link[]) {
    const seen: Seen[] = [];
    const router = new SiliconRouter({
      deliver: (core, { key, payload }, route) => seen.push({ to: `core ${core} by ${route}`, key, payload }),
      leave: (link, { key, payload }) => {
        if (!links.includes(link)) return false;
        seen.push({ to: `link ${link}`, key, payload });
        return true;
      },
      access: (address, value) => (address === 0x100 ? (value ?? 77) : undefined),
    });
    router.writeRegister(0, 5 << 8);
    return { router, seen };
  }
  const packet = (type: number, key: number, more: Partial<Packet> = {}): Packet => ({
    control: type << 6,
    key,
    payload: undefined,
    ...more,
  });

  it("leads multicast by its table, else straight on; what goes nowhere is counted", () => {
    const { router, seen } = routerWith([0, 3]);
    router.setEntry(0, (1 << 0) | (1 << (6 + 4)), 0x10, 0xff);
    router.route(packet(0, 0x10), undefined);
    router.route(packet(0, 0x20), 0);
    router.route(packet(0, 0x20), 1);
    router.route(packet(0, 0x20), undefined);
    expect(seen.map(({ to }) => to)).toEqual(["link 0", "core 4 by 7", "link 3"]);
    expect([router.counters[0], router.counters[1], router.counters[8]]).toEqual([2, 2, 2]);
  });

  it("leads P2P by its table and tells the monitor who sent it", () => {
    const { router, seen } = routerWith([2]);
    router.p2p.set(1, 2, 2);
    router.p2p.set(3, 4, 7);
    router.route(packet(1, 0x1_0102, { source: 0x0909 }), undefined);
    router.route(packet(1, 0x2_0304, { source: 0x0102, payload: 6 }), 1);
    router.route(packet(1, 0x0707), 1);
    expect(seen).toEqual([
      { to: "link 2", key: 0x1_0102, payload: undefined },
      { to: "core 5 by 1", key: 0x2_0102, payload: 6 },
    ]);
    expect(router.counters[9]).toBe(1);
  });

  it("sends fixed-route packets the one way they have", () => {
    const { router, seen } = routerWith([4]);
    router.fixedRoute = (1 << 4) | (1 << (6 + 2));
    router.route(packet(3, 0xabc), undefined);
    expect(seen.map(({ to }) => to)).toEqual(["link 4", "core 2 by 7"]);
  });

  it("answers a neighbour's memory access by itself, and passes other packets to the monitor", () => {
    const { router, seen } = routerWith([0, 1, 2, 3, 4, 5]);
    router.route({ control: 0xa0, key: 0x100, payload: undefined }, 3);
    router.route({ control: 0xa0, key: 0x100, payload: 5 }, 3);
    router.route({ control: 0xa0, key: 0x900, payload: undefined }, 3);
    router.route({ control: 0x82, key: 1, payload: 2 }, 3);
    router.route({ control: 0x80 | (6 << 2), key: 3, payload: undefined }, undefined);
    expect(seen.slice(0, 3)).toEqual([
      { to: "link 3", key: 0x101, payload: 77 },
      { to: "link 3", key: 0x101, payload: undefined },
      { to: "core 5 by 3", key: 1, payload: 2 },
    ]);
    expect(seen.slice(3).map(({ to }) => to)).toEqual([0, 1, 2, 3, 4, 5].map((link) => `link ${link}`));
  });
});
