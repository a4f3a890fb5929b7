import { describe, expect, it } from "vitest";
import { deadLinks, hexagonSvg, hexagonText, legend, viewOf } from "../../src/cli/hexagons.js";
import { isAlarming, readings } from "../../src/cli/sensor-table.js";
import { type ChipInfo, CoreState, Machine, MachineGeometry } from "../../src/machine/index.js";
import type { BoardStatus } from "../../src/transceiver/index.js";

const plain = (_: string, text: string): string => text;

/** A 48-chip board; chip 3,3 runs, 4,4 has crashed, 7,7 is missing, 0,0 has lost its link to the east. */
function machine(): Machine {
  const chips = [...MachineGeometry.spin5().chips()].filter(({ x, y }) => x !== 7 || y !== 7);
  return new Machine(
    8,
    8,
    { x: 0, y: 0 },
    chips.map(({ x, y }): ChipInfo => {
      const coreStates: number[] = new Array(18).fill(CoreState.IDLE);
      coreStates[0] = CoreState.RUN;
      if (x === 3 && y === 3) coreStates.fill(CoreState.RUN, 1, 5);
      if (x === 4 && y === 4) coreStates[1] = CoreState.RTE;
      return {
        x,
        y,
        coreCount: 18,
        coreStates,
        links: x === 0 && y === 0 ? 62 : 63,
        ethernet: x === 0 && y === 0 ? { ip: "127.0.0.1" } : undefined,
        nearestEthernet: { x: 0, y: 0 },
        parentLink: undefined,
        largestSdramBlock: 0,
        largestSysramBlock: 0,
        freeRouterEntries: 0,
        virtualToPhysical: undefined,
      };
    }),
  );
}

describe("the machine as hexagons", () => {
  it("a chip is what the worst of its cores is", () => {
    expect(viewOf(machine(), { x: 3, y: 3 })).toEqual({ kind: "running", cores: 4, isEthernet: false });
    expect(viewOf(machine(), { x: 4, y: 4 })).toEqual({ kind: "crashed", cores: 1, isEthernet: false });
    expect(viewOf(machine(), { x: 7, y: 7 })).toMatchObject({ kind: "dead" });
    expect(viewOf(machine(), { x: 0, y: 0 })).toEqual({ kind: "free", cores: 17, isEthernet: true });
  });

  it("rows are half a chip apart, so that neighbours stand together", () => {
    const rows = hexagonText(machine(), 80, plain).trimEnd().split("\n");
    expect(rows).toHaveLength(8);
    expect(rows[7]).toMatch(/^y {2}0 {10}\[17\] {3}17 {4}17 {4}17 {4}17 +x 0-4$/);
    expect(rows[3]).toContain("!1");
    expect(rows[4]).toContain("r4");
    expect(rows[0]).toMatch(/ x +x 4-7$/);
  });

  it.each([40, 30, 20])("fits %i columns", (columns) => {
    for (const row of hexagonText(machine(), columns, plain).split("\n")) expect(row.length).toBeLessThanOrEqual(columns);
  });

  it("a machine of three boards fits a terminal of 80 columns, and wraps nowhere", () => {
    const big = MachineGeometry.triads(1, 1);
    const empty = new Machine(12, 12, { x: 0, y: 0 }, []);
    for (const row of hexagonText(empty, 80, plain).split("\n")) expect(row.length).toBeLessThanOrEqual(80);
    expect(hexagonSvg(empty, "dead").match(/font-size="10" fill="#bbbbbb">dead</g)).toHaveLength([...big.chips()].length);
  });

  it("the legend says what is there, and which links do not work", () => {
    expect(legend(machine(), plain)).toMatch(
      /!2 .*crashed: 1 chip\n.*x .*no chip answers there: 1 chip\n.*Ethernet.*\n {2}dead link 0,0 east to 1,0\n$/,
    );
    expect(deadLinks(machine())).toEqual(["0,0 east to 1,0"]);
  });

  it("the picture is one well-formed document, whatever the title", () => {
    const svg = hexagonSvg(machine(), '<board> & "co"');
    expect(svg).toMatch(/^<svg xmlns="http:\/\/www\.w3\.org\/2000\/svg"/);
    expect(svg).toContain("<title>&lt;board&gt; &amp;");
    expect(svg.match(/<polygon /g)).toHaveLength(48);
    expect(svg.match(/stroke-dasharray/g)).toHaveLength(1);
    for (const tag of ["g", "title", "text", "svg"]) {
      expect(svg.match(new RegExp(`<${tag}[ >]`, "g"))!.length).toBe(svg.match(new RegExp(`</${tag}>`, "g"))!.length);
    }
  });
});

describe("sensors", () => {
  const status: BoardStatus = {
    voltage12c: 1.2,
    voltage12b: 1.21,
    voltage12a: 0.01,
    voltage18: 1.8,
    voltage33: 3.3,
    voltageSupply: 12,
    temperatureTop: 70,
    temperatureBottom: 30,
    temperatureExternal: [undefined, undefined],
    fans: [0, 0, undefined, undefined],
    warnings: (1 << 8) | (1 << 4),
    shutdowns: 0,
  };

  it("the BMP's own limits decide; a rail that is off is no alarm by itself", () => {
    const verdicts = Object.fromEntries(readings(status).map(({ name, verdict }) => [name, verdict]));
    expect(verdicts).toMatchObject({
      "1.2 V A": "off",
      "1.2 V B": "ok",
      "1.8 V": "warning",
      "temperature top": "warning",
      "fan 0": "none",
    });
    expect(isAlarming(readings(status))).toBe(true);
    expect(isAlarming(readings({ ...status, warnings: 0 }))).toBe(false);
    expect(readings({ ...status, shutdowns: 1 << 9 }).find(({ name }) => name === "temperature bottom")!.verdict).toBe("shutdown");
  });
});
