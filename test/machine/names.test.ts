import { describe, expect, it } from "vitest";
import {
  CoreState,
  checkAppId,
  chipKey,
  chipOfKey,
  coreMask,
  coreStateName,
  coresOfMask,
  formatChip,
  formatCore,
  isCrashed,
  isLink,
  linkName,
  parseChip,
  parseCore,
  parseCoreState,
  parseCores,
  parseLink,
  parseSignal,
  RUN_TIME_ERRORS,
  runTimeError,
  Signal,
  SignalType,
  signalName,
  usualSignalType,
} from "../../src/machine/index.js";

const argumentError = expect.objectContaining({ code: "ERR_SPINN_ARGUMENT" });

describe("chips and cores as text", () => {
  it("go both ways", () => {
    expect(parseChip(" 1, 2 ")).toEqual({ x: 1, y: 2 });
    expect(formatChip(parseChip("255,255"))).toBe("255,255");
    expect(formatCore(parseCore("1,2,17"))).toBe("1,2,17");
    expect(chipOfKey(chipKey(3, 5))).toEqual({ x: 3, y: 5 });
    expect(parseCores("1,2,3-5").map((core) => core.p)).toEqual([3, 4, 5]);
    expect(parseCores("0,0,9+1-2+2")).toEqual([1, 2, 9].map((p) => ({ x: 0, y: 0, p })));
    expect(coresOfMask(coreMask([17, 1]))).toEqual([1, 17]);
  });

  it("links name their chip and a direction", () => {
    expect(parseLink("1,2:north-east")).toEqual({ x: 1, y: 2, link: 1 });
    for (const text of ["1,2", "1,2:up", "1:east", ":east", ""]) expect(() => parseLink(text)).toThrow(argumentError);
  });

  it.each(["", "1", "1,2,3", "a,b", "1,256", "-1,0", "1.5,0"])("refuse %j as a chip", (text) => {
    expect(() => parseChip(text)).toThrow(argumentError);
  });

  it.each(["1,2", "1,2,18", "1,2,x"])("refuse %j as a core", (text) => {
    expect(() => parseCore(text)).toThrow(argumentError);
  });

  it.each(["1,2", "1,2,5-3", "1,2,3-18", "1,2,3+", "1,2,3,4"])("refuse %j as cores", (text) => {
    expect(() => parseCores(text)).toThrow(argumentError);
  });
});

describe("names", () => {
  it("of states are the firmware's, and SpiNNMan's are understood", () => {
    expect(coreStateName(CoreState.WAIT)).toBe("WAIT");
    expect(coreStateName(13)).toBe("state 13");
    expect(["ready", "c-main", "FINISHED", "sync0", "15"].map(parseCoreState)).toEqual([5, 6, 11, 8, 15]);
    for (const text of ["", "16", "toString", "gone"]) expect(() => parseCoreState(text)).toThrow(argumentError);
    expect(isCrashed(CoreState.RTE) && isCrashed(CoreState.WDOG) && !isCrashed(CoreState.EXIT)).toBe(true);
  });

  it("of signals know their usual way", () => {
    expect(parseSignal("sync0")).toBe(Signal.SYNC0);
    expect(parseSignal("continue")).toBe(Signal.CONT);
    expect(parseSignal("13")).toBe(Signal.USR3);
    expect(signalName(3)).toBe("START");
    for (const text of ["14", "hasOwnProperty", "-1"]) expect(() => parseSignal(text)).toThrow(argumentError);
    expect(usualSignalType(Signal.STOP)).toBe(SignalType.NEAREST_NEIGHBOUR);
    expect(usualSignalType(Signal.SYNC0)).toBe(SignalType.MULTICAST);
  });

  it("of run-time errors explain themselves", () => {
    expect(RUN_TIME_ERRORS).toHaveLength(21);
    expect([5, 10, 11, 13, 16, 19, 20].map((code) => runTimeError(code).name)).toEqual([
      "DABT",
      "MALLOC",
      "DIV0",
      "SWERR",
      "NULL",
      "API",
      "VER",
    ]);
    expect(runTimeError(99)).toMatchObject({ code: 99, name: "RTE 99" });
  });

  it("of links", () => {
    expect(linkName(1)).toBe("north-east");
    expect(isLink(5) && !isLink(6) && !isLink(0.5)).toBe(true);
  });

  it("of applications exclude the system's own", () => {
    expect(checkAppId(30)).toBe(30);
    for (const id of [0, 256, -1, 1.5]) expect(() => checkAppId(id)).toThrow(argumentError);
  });
});
