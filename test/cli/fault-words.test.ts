import { describe, expect, it } from "vitest";
import { faultWords, parseFaultWords } from "../../src/cli/fault-words.js";
import { FAULT_PRESETS } from "../../src/simulator/index.js";

const parse = (text: string, start = {}) => parseFaultWords(text.split(" ").filter(Boolean), FAULT_PRESETS, start);

describe("faults in words", () => {
  it("are names and members, the later ones on top", () => {
    expect(parse("")).toEqual({});
    expect(parse("lossy toHost.loss=0.5 toHost.delayMs=20")).toEqual({ toBoard: { loss: 0.05 }, toHost: { loss: 0.5, delayMs: 20 } });
    expect(parse("busy codes=TIMEOUT:0.5:2+3 codes=0x8d:1")).toEqual({
      codes: [
        { code: "P2P_BUSY", probability: 0.1 },
        { code: "TIMEOUT", probability: 0.5, commands: [2, 3] },
        { code: 0x8d, probability: 1 },
      ],
    });
    expect(parse("dead.links=0,0:east dead.links=1,0:north dead.chips=2,2 crashedCores=1,0,2")).toEqual({
      dead: { links: ["0,0:east", "1,0:north"], chips: ["2,2"] },
      crashedCores: ["1,0,2"],
    });
    expect(parse("slow-bmp", { foreign: 0.1 })).toEqual({ foreign: 0.1, bmpDelayMs: 2000 });
  });

  it("leave what they start from as it was", () => {
    const start = { toHost: { loss: 0.1 }, crashedCores: ["0,0,1"] };
    parse("toHost.loss=1 crashedCores=1,1,1", start);
    expect(start).toEqual({ toHost: { loss: 0.1 }, crashedCores: ["0,0,1"] });
  });

  it("come back from the words that are printed", () => {
    for (const members of Object.values(FAULT_PRESETS)) expect(parse(faultWords({ ...members }).join(" "))).toEqual(members);
  });

  it("that are wrong say what is meant", () => {
    expect(() => parse("losy")).toThrow(/called "losy"/);
    expect(() => parse("loss=1")).toThrow(/no member "loss"/);
    expect(() => parse("toHost.loss=much")).toThrow(/"much" is no number/);
    expect(() => parse("toHost.loss=")).toThrow(/no number/);
    expect(() => parse("codes=BUSY")).toThrow(/no code with its probability/);
    expect(() => parse("__proto__=1")).toThrow(/no member/);
    expect(() => parse("toHost.__proto__=1")).toThrow(/no member/);
  });
});
