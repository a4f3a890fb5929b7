import { expect, it } from "vitest";
import * as commands from "../../src/commands/index.js";
import { accessOf } from "../../src/controller/access.js";
import { encodeScpRequest, encodeSdp, type ScpRequest } from "../../src/wire/index.js";

function datagram({ x, y, p, command, arg1, arg2, arg3, data }: ScpRequest<unknown>): Uint8Array {
  const header = { flags: 0x87, tag: 0xff, destPort: 0, destCpu: p, srcPort: 7, srcCpu: 31, destX: x, destY: y, srcX: 0, srcY: 0 };
  return encodeScpRequest({ ...header, command, sequence: 1, arg1, arg2, arg3, data: data ?? new Uint8Array() });
}

const C = { x: 1, y: 1 };
const SDRAM = 0x60240000;

it("what only asks a board is a look, all else changes it", () => {
  const looks: ScpRequest<unknown>[] = [
    commands.getVersion(C),
    commands.readMemory(C, SDRAM, 256),
    commands.readMemory(C, 0xf5007f5c, 2),
    commands.getChipInfo(C),
    commands.countCores({ x: 0, y: 0 }, 30, 7),
    commands.countCoresByRegion(30, 7),
    commands.getTags({ x: 0, y: 0 }, 0, 8),
    commands.getFixedRoute(C),
    commands.getSdramSpace(C),
    commands.findSdramByTag(C, 30, 1),
    commands.readSrom({ x: 0, y: 0 }, 0, 32),
    commands.readLink(C, 0, SDRAM, 64),
  ];
  for (const request of looks) expect(accessOf(datagram(request), "board"), request.describe()).toBe("look");
  const changes: ScpRequest<unknown>[] = [
    commands.writeMemory(C, SDRAM, new Uint8Array(4)),
    commands.fillMemory(C, SDRAM, 0, 4),
    commands.setTag({ x: 0, y: 0 }, 1, { host: "127.0.0.1", port: 1 }),
    commands.clearTag({ x: 0, y: 0 }, 1),
    commands.setTagTimeout({ x: 0, y: 0 }, 5),
    commands.sendSignal(2, 30),
    commands.allocateSdram(C, 30, 4),
    commands.freeSdram(C, SDRAM),
    commands.setFixedRoute(C, 1),
    commands.clearRouter(C, 1, 1),
    commands.setLeds(C, { 0: "on" }),
    commands.writeLink(C, 0, SDRAM, new Uint8Array(4)),
  ];
  for (const request of changes) expect(accessOf(datagram(request), "board"), request.describe()).toBe("change");
});

it("clearing a whole router and giving up a core disturb the machine", () => {
  for (const request of [commands.initRouter(C), commands.remapCore(C, 17, "virtual")]) {
    expect(accessOf(datagram(request), "board"), request.describe()).toBe("disturb");
  }
});

it("a read that would kill the monitor, and what is not for the monitor, is no look", () => {
  const read = datagram(commands.readMemory(C, SDRAM, 4));
  const elsewhere = read.slice();
  new DataView(elsewhere.buffer).setUint32(14, 0x90000000, true);
  expect(accessOf(elsewhere, "board")).toBe("change");
  const past = read.slice();
  new DataView(past.buffer).setUint32(14, 0x67fffffe, true);
  expect(accessOf(past, "board")).toBe("change");
  const header = { flags: 7, tag: 0xff, destPort: 1, destCpu: 3, srcPort: 7, srcCpu: 31, destX: 0, destY: 0, srcX: 0, srcY: 0 };
  expect(accessOf(encodeSdp({ ...header, data: new Uint8Array(30) }), "board")).toBe("change");
  for (let length = 0; length < 26; length += 1) expect(accessOf(read.subarray(0, length), "board")).toBe("change");
  // Any command that reads the serial ROM by another instruction may erase it.
  const srom = datagram(commands.readSrom({ x: 0, y: 0 }, 0, 32));
  srom[21] = 0xc7;
  expect(accessOf(srom, "board")).toBe("change");
});

it("a BMP: sensors are a look, LEDs a change, supplies and flash disturb; a boot ROM is disturbed by anything", () => {
  const levels: [ScpRequest<unknown>, string][] = [
    [commands.getBmpVersion(0), "look"],
    [commands.getBoardStatus(0), "look"],
    [commands.getBmpSerial(0), "look"],
    [commands.readFpga(0, 1, 0x40004), "look"],
    [commands.setBmpLeds(0, { 7: "on" }), "change"],
    [commands.writeFpga(0, 1, 0x40010, [1]), "disturb"],
    [commands.setPower(false, [0]), "disturb"],
    [commands.resetBoards("pulse", [0]), "disturb"],
  ];
  for (const [request, level] of levels) expect(accessOf(datagram(request), "bmp"), request.describe()).toBe(level);
  expect(accessOf(new Uint8Array(3), "bmp")).toBe("disturb");
  expect(accessOf(new Uint8Array(18), "boot")).toBe("disturb");
});
