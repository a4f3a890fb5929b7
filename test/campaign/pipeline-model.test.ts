import { describe, expect, it } from "vitest";
import { Fate, SequenceTable } from "../../src/connections/sequence-table.js";
import { explore, type World } from "./explorer.js";

const quiet = { losses: 0, doubles: 0, busy: 0, early: 0 };

describe("the pipeline, in every order of everything that can happen", () => {
  const worlds: [string, World][] = [
    ["3 requests, window 2: order alone", { ...quiet, requests: [true, true, true], window: 2, retries: 2 }],
    ["3 requests, window 2, two losses", { ...quiet, requests: [true, false, true], window: 2, retries: 2, losses: 2 }],
    ["2 requests, window 2, losses and late replies", { ...quiet, requests: [true, false], window: 2, retries: 1, losses: 1, early: 2 }],
    [
      "3 requests, window 2, a double and a loss",
      { ...quiet, requests: [true, true, false], window: 2, retries: 1, losses: 1, doubles: 1 },
    ],
    [
      "2 requests, window 2, busy, doubles, a loss",
      { ...quiet, requests: [true, false], window: 2, retries: 2, losses: 1, doubles: 1, busy: 1 },
    ],
    ["2 requests, window 1, everything", { requests: [false, true], window: 1, retries: 1, losses: 1, doubles: 1, busy: 1, early: 1 }],
    ["silence: more losses than retries", { ...quiet, requests: [true, true], window: 2, retries: 1, losses: 4 }],
    ["5 requests, window 5: overtaken", { ...quiet, requests: [true, true, true, true, true], window: 5, retries: 2, losses: 1 }],
    ["a caller that goes away", { ...quiet, requests: [true, true, false], window: 2, retries: 1, losses: 1, aborts: true }],
  ];

  it.each(worlds)("%s", (name, world) => {
    const { states, ends, broken } = explore(world);
    console.log(`${name}: ${states} states, ${ends} different ends`);
    expect(broken).toEqual([]);
    expect(states).toBeGreaterThan(10);
    expect(ends).toBeGreaterThan(0);
  });
});

describe("sequence numbers, with three of them left", () => {
  /** All but three numbers are in flight for ever, and the table is about to come round. */
  const cramped = (): SequenceTable => {
    const table = new SequenceTable(3);
    for (let i = 0; i < 65_533; i += 1) table.take(0, 0);
    return table;
  };

  it("none is given out twice, nor while it rests, and one that is free is always found", () => {
    const seen = new Set<string>();
    const paths: string[][] = [[]];
    for (let path = paths.pop(); path !== undefined; path = paths.pop()) {
      const table = cramped();
      let now = 0;
      const inFlight = new Set<number>();
      const restUntil = new Map<number, number>();
      let next = "";
      for (const action of path) {
        if (action === "take") {
          const sequence = table.take(1, now);
          const free = [0, 1, 2].filter((each) => !inFlight.has(each) && (restUntil.get(each) ?? 0) <= now);
          if (sequence < 0) expect(free, path.join(" ")).toEqual([]);
          else {
            expect(free, path.join(" ")).toContain(sequence);
            expect(table.slotOf(sequence)).toBe(1);
            inFlight.add(sequence);
            next = `${sequence}`;
          }
        } else if (action === "tick") now += 1;
        else {
          const sequence = Number(action.slice(1));
          inFlight.delete(sequence);
          const given = action.startsWith("g");
          restUntil.set(sequence, now + (given ? 2 : 1));
          table.retire(sequence, given ? Fate.GIVEN_UP : Fate.ANSWERED, now + (given ? 2 : 1));
          expect(table.slotOf(sequence)).toBe(-1);
        }
      }
      const rests = [0, 1, 2].map((each) => Math.max(0, (restUntil.get(each) ?? 0) - now)).join(",");
      const state = `${[...inFlight].sort().join(",")}|${rests}|${next}`;
      if (seen.has(state)) continue;
      seen.add(state);
      paths.push([...path, "take"]);
      if (rests !== "0,0,0") paths.push([...path, "tick"]);
      for (const sequence of inFlight) paths.push([...path, `a${sequence}`], [...path, `g${sequence}`]);
    }
    console.log(`sequence numbers: ${seen.size} states`);
    expect(seen.size).toBeGreaterThan(50);
  });
});
