import { describe, expect, it } from "vitest";
import { selectBoards } from "../../src/cli/fleet-boards.js";
import { checkInventory } from "../../src/cli/inventory.js";
import { SpinnError } from "../../src/errors.js";

const INVENTORY = checkInventory({
  boards: {
    "rack-0": { host: "10.0.0.1", bmp: "frame", slot: 3, variables: { cores: "0,0,1" } },
    "rack-1": { host: "10.0.0.9", bmp: "10.0.0.2:5000" },
    desk: "10.9.9.9",
    frame: { host: "10.0.0.0", port: 17 },
  },
  groups: { rack: ["rack-*"] },
});

const names = (...words: string[]): string[] => selectBoards(words, INVENTORY).map(({ name }) => name);

describe("--boards", () => {
  it("takes names, groups, patterns and addresses, each board once", () => {
    expect(names("desk", "rack", "rack-0", "*k*", "10.1.1.1:99")).toEqual(["desk", "rack-0", "rack-1", "10.1.1.1:99"]);
    expect(names("r*-1")).toEqual(["rack-1"]);
  });

  it("looks up BMPs, and says to scripts what is known of the board", () => {
    const [first, second, address] = selectBoards(["rack", "10.1.1.1:99"], INVENTORY);
    expect(first).toEqual({
      name: "rack-0",
      address: { host: "10.0.0.1", bmp: { host: "10.0.0.0", port: 17 }, slot: 3 },
      variables: { cores: "0,0,1", "board.name": "rack-0", "board.host": "10.0.0.1", "board.bmp": "10.0.0.0", "board.slot": 3 },
    });
    expect(second!.address.bmp).toEqual({ host: "10.0.0.2", port: 5000 });
    expect(address).toEqual({
      name: "10.1.1.1:99",
      address: { host: "10.1.1.1", port: 99 },
      variables: { "board.name": "10.1.1.1:99", "board.host": "10.1.1.1" },
    });
  });

  it.each([
    ["rakc", INVENTORY, 'did you mean "rack"?'],
    ["zzzz", INVENTORY, "the inventory has rack, rack-0, rack-1, desk, frame"],
    ["zzzz", undefined, "there is no inventory, or it names no boards: spinn help boards shows how it is written"],
    ["x-*", INVENTORY, "the inventory has rack, rack-0, rack-1, desk, frame"],
    ["", INVENTORY, "write names with commas between them: rack1,desk"],
    ["10.1.1.300", INVENTORY, "the inventory has rack, rack-0, rack-1, desk, frame"],
  ])("%j is refused", (word, inventory, hint) => {
    try {
      selectBoards([word], inventory);
    } catch (error) {
      expect(error).toBeInstanceOf(SpinnError);
      expect((error as SpinnError).code).toBe("ERR_SPINN_ARGUMENT");
      expect((error as SpinnError).hint).toBe(hint);
      return;
    }
    throw new Error("taken");
  });
});
