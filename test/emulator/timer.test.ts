import { describe, expect, it } from "vitest";
import { Timer } from "../../src/emulator/timer.js";

describe("timer", () => {
  it("periodic: loaded before it is made 32 bits wide, as software does", () => {
    const timer = new Timer();
    timer.reset(1000);
    timer.write(0x08, 0, 1000);
    timer.write(0x00, 200_000, 1000);
    timer.write(0x08, 0xe2, 1000);
    expect(timer.deadline).toBe(201_000);
    expect(timer.read(0x04, 1500)).toBe(199_500);
    timer.expire(200_999);
    expect(timer.level).toBe(false);
    timer.expire(201_000);
    expect(timer.level).toBe(true);
    timer.write(0x0c, 1, 201_010);
    expect(timer.level).toBe(false);
    expect(timer.deadline).toBe(401_000);
    timer.write(0x18, 100, 201_010); // takes effect with the next period
    expect(timer.deadline).toBe(401_000);
    timer.expire(401_000);
    expect(timer.deadline).toBe(401_100);
  });

  it("one-shot: stops at 0, and a new load starts it again", () => {
    const timer = new Timer();
    timer.reset(0);
    timer.write(0x08, 0xe3, 0);
    timer.write(0x00, 50, 10);
    timer.expire(60);
    expect([timer.level, timer.deadline, timer.read(0x04, 100)]).toEqual([true, Number.POSITIVE_INFINITY, 0]);
    timer.write(0x0c, 1, 100);
    timer.write(0x00, 30, 100);
    expect(timer.deadline).toBe(130);
  });

  it("prescale, 16 bits, no interrupt when not asked for", () => {
    const timer = new Timer();
    timer.reset(0);
    timer.write(0x08, 0x80 | 0x40 | 0x04, 0);
    timer.write(0x00, 0x1_0003, 0);
    expect(timer.deadline).toBe(48);
    timer.expire(48);
    expect([timer.level, timer.read(0x10, 48), timer.read(0x14, 48)]).toEqual([false, 1, 0]);
  });

  it("catches up over many periods in one look", () => {
    const timer = new Timer();
    timer.reset(0);
    timer.write(0x08, 0xe2, 0);
    timer.write(0x00, 10, 0);
    timer.expire(1005);
    expect(timer.deadline).toBe(1010);
  });
});
