import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  CoreState,
  hexagonAt,
  hexagonCentre,
  hexagonCorners,
  hexagonSide,
  kindOfCores,
  LINKS,
  linkVector,
} from "../../src/machine/index.js";

const chip = fc.record({ x: fc.nat(255), y: fc.nat(255) });

describe("the picture of a machine", () => {
  it("all neighbours are one distance away, in the direction of their link", () => {
    fc.assert(
      fc.property(chip, fc.constantFrom(...LINKS), ({ x, y }, link) => {
        const { dx, dy } = linkVector(link);
        const [here, there] = [hexagonCentre({ x, y }), hexagonCentre({ x: x + dx, y: y + dy })];
        const step = { x: there.x - here.x, y: there.y - here.y };
        expect(Math.hypot(step.x, step.y)).toBeCloseTo(1, 9);
        const [a, b] = hexagonSide(link);
        expect((a.x + b.x) / 2).toBeCloseTo(step.x / 2, 9);
        expect((a.y + b.y) / 2).toBeCloseTo(step.y / 2, 9);
      }),
    );
  });

  it("a point belongs to the chip whose centre is nearest", () => {
    fc.assert(
      fc.property(
        chip,
        fc.double({ min: 0, max: 6.28, noNaN: true }),
        fc.double({ min: 0, max: 0.499, noNaN: true }),
        (one, angle, out) => {
          const { x, y } = hexagonCentre(one);
          expect(hexagonAt({ x: x + out * Math.cos(angle), y: y + out * Math.sin(angle) })).toEqual(one);
        },
      ),
    );
  });

  it("hexagons of full size touch", () => {
    const corners = hexagonCorners();
    for (const link of LINKS) {
      for (const end of hexagonSide(link)) {
        expect(corners.some(({ x, y }) => Math.hypot(x - end.x, y - end.y) < 1e-9)).toBe(true);
      }
    }
  });
});

it("a chip is what the worst of its cores is, the monitor left out", () => {
  const { RUN, IDLE, RTE, EXIT, WAIT } = CoreState;
  expect(kindOfCores([RUN, IDLE, IDLE])).toEqual({ kind: "free", cores: 2 });
  expect(kindOfCores([RUN, RUN, RTE, EXIT, RUN])).toEqual({ kind: "crashed", cores: 1 });
  expect(kindOfCores([RUN, EXIT, WAIT, WAIT])).toEqual({ kind: "waiting", cores: 2 });
  expect(kindOfCores([RUN, IDLE, RTE], 2)).toEqual({ kind: "free", cores: 1 });
});
