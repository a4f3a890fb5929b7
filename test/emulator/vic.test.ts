import { describe, expect, it } from "vitest";
import { Vic } from "../../src/emulator/vic.js";

function controller() {
  const lines = { irq: false, fiq: false };
  const vic = new Vic({
    setLines: (irq, fiq) => {
      lines.irq = irq;
      lines.fiq = fiq;
    },
  });
  const slot = (index: number, interrupt: number) => {
    vic.write(0x100 + 4 * index, 0x1000 + index);
    vic.write(0x200 + 4 * index, 0x20 | interrupt);
  };
  return { lines, vic, slot };
}

describe("interrupt controller", () => {
  it("only higher slots interrupt what is in service", () => {
    const { lines, vic, slot } = controller();
    slot(2, 18);
    slot(1, 4);
    vic.write(0x10, (1 << 18) | (1 << 4));
    vic.setInput(18, true);
    expect(lines.irq).toBe(true);
    expect(vic.read(0x30)).toBe(0x1002);
    expect(lines.irq).toBe(false); // itself must not come again
    vic.setInput(4, true);
    expect(lines.irq).toBe(true);
    expect(vic.read(0x30)).toBe(0x1001);
    vic.setInput(4, false);
    vic.write(0x30, 0);
    expect(lines.irq).toBe(false);
    vic.write(0x30, 0);
    expect(lines.irq).toBe(true); // 18 is still there
  });

  it("what is in no slot comes last, through the default vector", () => {
    const { lines, vic, slot } = controller();
    slot(15, 18);
    vic.write(0x34, 0x2000);
    vic.write(0x10, (1 << 18) | (1 << 6));
    vic.setInput(6, true);
    expect(lines.irq).toBe(true);
    vic.setInput(18, true);
    expect(vic.read(0x30)).toBe(0x100f);
    expect(lines.irq).toBe(false);
    vic.setInput(18, false);
    vic.write(0x30, 0);
    expect(vic.read(0x30)).toBe(0x2000);
    expect(lines.irq).toBe(false);
    vic.write(0x30, 0);
    vic.setInput(6, false);
    expect(vic.read(0x30)).toBe(0x2000); // nothing active: spurious
    expect(lines.irq).toBe(false);
  });

  it("FIQ by a plain write of the select register, soft interrupts, enable and disable bit by bit", () => {
    const { lines, vic } = controller();
    vic.write(0x10, 0b1010);
    vic.write(0x0c, 0b0010);
    vic.write(0x18, 0b1110);
    expect([vic.read(0x00), vic.read(0x04), vic.read(0x08), vic.read(0x10)]).toEqual([0b1000, 0b0010, 0b1110, 0b1010]);
    expect(lines).toEqual({ irq: true, fiq: true });
    vic.write(0x0c, 0);
    expect(lines).toEqual({ irq: true, fiq: false });
    vic.write(0x1c, 0b1000);
    vic.write(0x14, 0b0010);
    expect(lines).toEqual({ irq: false, fiq: false });
  });
});
