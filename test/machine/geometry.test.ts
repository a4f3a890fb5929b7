import { describe, expect, it } from "vitest";
import {
  defaultCoreCount,
  FPGA_LINKS,
  fpgaLink,
  LINKS,
  MachineGeometry,
  NO_ROUTE,
  oppositeLink,
  ROUTE_HERE,
  SPIN3_CHIPS,
  SPIN5_CHIPS,
} from "../../src/machine/index.js";

// Position on the board for (x, y) modulo 12, rows y = 0..11; produced with SpiNNMachine and rig, equal to the firmware's own table.
const POSITIONS = [
  "00 10 20 30 40 14 24 34 44 54 64 74",
  "01 11 21 31 41 51 25 35 45 55 65 75",
  "02 12 22 32 42 52 62 36 46 56 66 76",
  "03 13 23 33 43 53 63 73 47 57 67 77",
  "40 14 24 34 44 54 64 74 00 10 20 30",
  "41 51 25 35 45 55 65 75 01 11 21 31",
  "42 52 62 36 46 56 66 76 02 12 22 32",
  "43 53 63 73 47 57 67 77 03 13 23 33",
  "44 54 64 74 00 10 20 30 40 14 24 34",
  "45 55 65 75 01 11 21 31 41 51 25 35",
  "46 56 66 76 02 12 22 32 42 52 62 36",
  "47 57 67 77 03 13 23 33 43 53 63 73",
].map((row) => row.split(" "));

const links = (geometry: MachineGeometry): number =>
  [...geometry.chips()].reduce((sum, chip) => sum + LINKS.filter((link) => geometry.isWired(chip.x, chip.y, link)).length, 0);

describe("boards", () => {
  it("have 4 and 48 chips, and 17-core positions where the reference model has them", () => {
    expect(SPIN3_CHIPS).toHaveLength(4);
    expect(SPIN5_CHIPS).toHaveLength(48);
    expect(SPIN5_CHIPS.filter((chip) => defaultCoreCount("spin5", chip.x, chip.y) === 17)).toHaveLength(8);
    expect(defaultCoreCount("spin3", 1, 1)).toBe(18);
    const rows = Array.from({ length: 8 }, (_, y) =>
      SPIN5_CHIPS.filter((chip) => chip.y === y)
        .map((chip) => chip.x)
        .join(""),
    );
    expect(rows).toEqual(["01234", "012345", "0123456", "01234567", "1234567", "234567", "34567", "4567"]);
  });

  it("send 48 links away from a board, each to the position another board's own geometry gives", () => {
    expect(FPGA_LINKS).toHaveLength(48);
    const triads = MachineGeometry.triads(2, 2);
    const single = MachineGeometry.spin5();
    for (const ethernet of triads.ethernetChips) {
      for (const entry of FPGA_LINKS) {
        expect(single.isWired(entry.x, entry.y, entry.link)).toBe(false);
        const far = triads.neighbour((ethernet.x + entry.x) % 24, (ethernet.y + entry.y) % 24, entry.link)!;
        expect(triads.positionOnBoard(far.x, far.y)).toEqual({ x: entry.toX, y: entry.toY });
        expect(triads.nearestEthernet(far.x, far.y)).not.toEqual(ethernet);
      }
    }
    expect(new Set(FPGA_LINKS.map((entry) => entry.fpga * 16 + entry.number)).size).toBe(48);
    expect(fpgaLink(7, 3, 1)).toMatchObject({ toX: 0, toY: 0, fpga: 2, number: 15 });
    expect(fpgaLink(3, 3, 1)).toBeUndefined();
  });
});

describe("MachineGeometry", () => {
  it("knows the wires of a board of 4 chips", () => {
    const geometry = MachineGeometry.spin3();
    const wires = (x: number, y: number): string =>
      LINKS.flatMap((link) => {
        const to = geometry.neighbour(x, y, link);
        return to === undefined ? [] : [`${link}:${to.x}${to.y}`];
      }).join(" ");
    expect(wires(0, 0)).toBe("0:10 1:11 2:01 5:01");
    expect(wires(0, 1)).toBe("0:11 1:10 2:00 5:00");
    expect(wires(1, 0)).toBe("2:11 3:00 4:01 5:11");
    expect(wires(1, 1)).toBe("2:10 3:01 4:00 5:10");
  });

  it.each([
    ["spin3", MachineGeometry.spin3(), 4, 16],
    ["spin5", MachineGeometry.spin5(), 48, 240],
    ["one triad", MachineGeometry.triads(1, 1), 144, 864],
    ["16 x 16", MachineGeometry.fromSize(16, 16), 144, 768],
  ])("%s has its chips and directed links, all of them in both directions", (_name, geometry, chips, directed) => {
    expect([...geometry.chips()]).toHaveLength(chips);
    expect(links(geometry)).toBe(directed);
    for (const chip of geometry.chips()) {
      for (const link of LINKS) {
        const to = geometry.neighbour(chip.x, chip.y, link);
        if (to !== undefined) expect(geometry.neighbour(to.x, to.y, oppositeLink(link))).toEqual(chip);
      }
    }
  });

  it("finds the board of all 144 positions of a triad, also in a machine of four", () => {
    for (const geometry of [MachineGeometry.triads(1, 1), MachineGeometry.triads(2, 2)]) {
      for (const chip of geometry.chips()) {
        const position = geometry.positionOnBoard(chip.x, chip.y);
        expect(`${position.x}${position.y}`).toBe(POSITIONS[chip.y % 12]![chip.x % 12]);
        const ethernet = geometry.nearestEthernet(chip.x, chip.y);
        expect(ethernet).toEqual({
          x: (chip.x - position.x + geometry.width) % geometry.width,
          y: (chip.y - position.y + geometry.height) % geometry.height,
        });
        expect(geometry.isEthernet(ethernet.x, ethernet.y)).toBe(true);
      }
    }
    expect(MachineGeometry.triads(1, 1).nearestEthernet(5, 0)).toEqual({ x: 4, y: 8 });
  });

  it("has the Ethernet chips of every form of machine", () => {
    const at = (width: number, height: number): string =>
      MachineGeometry.fromSize(width, height)
        .ethernetChips.map((chip) => `${chip.x},${chip.y}`)
        .join(" ");
    expect(at(8, 8)).toBe("0,0");
    expect(at(12, 12)).toBe("0,0 4,8 8,4");
    expect(at(16, 16)).toBe("0,0 4,8 8,4");
    expect(at(24, 12)).toBe("0,0 4,8 8,4 12,0 16,8 20,4");
    expect(at(28, 16)).toBe("0,0 4,8 8,4 12,0 16,8 20,4");
    expect(at(24, 24)).toBe("0,0 0,12 4,8 4,20 8,4 8,16 12,0 12,12 16,8 16,20 20,4 20,16");
    for (const [width, height, boards] of [
      [24, 16, 6],
      [16, 24, 6],
      [28, 28, 12],
    ] as const) {
      const geometry = MachineGeometry.fromSize(width, height);
      expect(geometry.ethernetChips).toHaveLength(boards);
      expect([...geometry.chips()]).toHaveLength(48 * boards);
      for (const ethernet of geometry.ethernetChips) {
        const chips = geometry.chipsOnBoard(ethernet);
        expect(chips).toHaveLength(48);
        for (const chip of chips) expect(geometry.nearestEthernet(chip.x, chip.y)).toEqual(ethernet);
      }
    }
  });

  it("wraps only where the size says so", () => {
    expect(MachineGeometry.fromSize(12, 16)).toMatchObject({ wrapX: true, wrapY: false });
    expect(MachineGeometry.fromSize(16, 12)).toMatchObject({ wrapX: false, wrapY: true });
    expect(MachineGeometry.triads(1, 1).neighbour(0, 0, 4)).toEqual({ x: 11, y: 11 });
    expect(MachineGeometry.fromSize(16, 16).neighbour(0, 0, 4)).toBeUndefined();
  });

  it("refuses sizes and names no machine has", () => {
    for (const [width, height] of [
      [0, 0],
      [8, 12],
      [4, 4],
      [13, 12],
      [12.5, 12],
    ]) {
      expect(() => MachineGeometry.fromSize(width!, height!)).toThrow(expect.objectContaining({ code: "ERR_SPINN_MACHINE" }));
    }
    expect(MachineGeometry.fromName("triads:2x1")).toMatchObject({ width: 24, height: 12 });
    expect(() => MachineGeometry.fromName("spin9")).toThrow(expect.objectContaining({ code: "ERR_SPINN_ARGUMENT" }));
    expect(() => MachineGeometry.spin5().chipsOnBoard({ x: 1, y: 1 })).toThrow(expect.objectContaining({ code: "ERR_SPINN_MACHINE" }));
    expect(() => MachineGeometry.spin5().nearestEthernet(7, 0)).toThrow(expect.objectContaining({ code: "ERR_SPINN_MACHINE" }));
  });

  it.each([
    ["spin3", MachineGeometry.spin3()],
    ["spin5", MachineGeometry.spin5()],
    ["triad", MachineGeometry.triads(1, 1)],
    ["open", MachineGeometry.fromSize(16, 16)],
  ])("leads from every chip of %s to every other along working links", (_name, geometry) => {
    const chips = [...geometry.chips()];
    for (const target of chips.filter((_chip, index) => index % 7 === 0)) {
      const table = geometry.linksTowards(target);
      expect(table[target.x * geometry.height + target.y]).toBe(ROUTE_HERE);
      expect([...table].filter((entry) => entry !== NO_ROUTE)).toHaveLength(chips.length);
      for (const chip of chips) {
        let here = chip;
        let hops = 0;
        for (let link = geometry.linkTowards(here, target); link !== undefined; link = geometry.linkTowards(here, target)) {
          here = geometry.neighbour(here.x, here.y, link)!;
          hops += 1;
          expect(hops).toBeLessThanOrEqual(chips.length);
        }
        expect(here).toEqual(target);
      }
    }
  });

  it("takes the diagonal and the wrap-around when they are shorter", () => {
    const geometry = MachineGeometry.triads(1, 1);
    expect(geometry.linkTowards({ x: 0, y: 0 }, { x: 3, y: 3 })).toBe(1);
    expect(geometry.linkTowards({ x: 0, y: 0 }, { x: 11, y: 11 })).toBe(4);
    expect(geometry.linkTowards({ x: 0, y: 0 }, { x: 0, y: 0 })).toBeUndefined();
    expect(MachineGeometry.spin5().linkTowards({ x: 0, y: 0 }, { x: 7, y: 0 })).toBeUndefined();
  });
});
