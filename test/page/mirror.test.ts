import { expect, it } from "vitest";
import { applyChanges, type Change, type PublishedState } from "../../src/page/mirror.js";

const state = (): PublishedState => ({
  board: { host: "b", simulation: false, version: null },
  machine: null,
  chips: {},
  problems: [],
  runs: {},
  network: null,
  sensors: {},
  detail: {},
  updated: null,
});

const chip = { core_count: 18, core_states: [], links: 63, ethernet: null, largest_sdram_block: 0, free_router_entries: 0 };

it("changes are made in place, and told by member and chip", () => {
  const own = state();
  const changes: Change[] = [
    [["chips", "0,0"], chip],
    [["chips", "1,0"], chip],
    [["problems"], ["odd"]],
  ];
  const touched = applyChanges(own, changes);
  expect([...touched.members]).toEqual(["chips", "problems"]);
  expect(touched.chips).toEqual(["0,0", "1,0"]);
  expect(Object.keys(own.chips)).toEqual(["0,0", "1,0"]);
  expect(applyChanges(own, [[["chips", "0,0"]]]).chips).toEqual(["0,0"]);
  expect(Object.keys(own.chips)).toEqual(["1,0"]);
});

it("another machine is all chips anew", () => {
  const own = state();
  expect(applyChanges(own, [[["machine"], { width: 2, height: 2, root: "0,0" }]]).chips).toBeUndefined();
  expect(applyChanges(own, [[["chips"], { "0,0": chip }]]).chips).toBeUndefined();
});

it("what leads nowhere is left alone", () => {
  const own = state();
  applyChanges(own, [[["network", "sent"], 1], [[]], [["nothing", "here"], 1]]);
  expect(own).toEqual(state());
});
