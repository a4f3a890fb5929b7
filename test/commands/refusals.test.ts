import { describe, expect, it } from "vitest";
import * as commands from "../../src/commands/index.js";
import { ROOT_CHIP, type Target } from "../../src/commands/index.js";

const CHIP: Target = { x: 0, y: 0 };

/** What must never leave the host, and the words that name the culprit. */
const REFUSED: readonly [name: string, code: string, words: RegExp, make: () => unknown][] = [
  ["READ of 0 bytes", "ERR_SPINN_ARGUMENT", /length of a READ .* not 0/, () => commands.readMemory(CHIP, 0x60000000, 0)],
  ["READ of 257 bytes", "ERR_SPINN_ARGUMENT", /not 257/, () => commands.readMemory(CHIP, 0x60000000, 257)],
  ["READ where nothing is", "ERR_SPINN_MEMORY", /0x50000000/, () => commands.readMemory(CHIP, 0x50000000, 4)],
  ["half-word READ of a register", "ERR_SPINN_MEMORY", /router/, () => commands.readMemory(CHIP, 0xe1000000, 2)],
  ["READ of core 18", "ERR_SPINN_ARGUMENT", /core .* not 18/, () => commands.readMemory({ ...CHIP, p: 18 }, 0, 4)],
  ["WRITE over the end of SDRAM", "ERR_SPINN_MEMORY", /SDRAM/, () => commands.writeMemory(CHIP, 0x67ffffff, new Uint8Array(2))],
  ["FILL of half a word", "ERR_SPINN_MEMORY", /whole, aligned words/, () => commands.fillMemory(CHIP, 0x60000002, 0, 4)],
  ["FILL of registers", "ERR_SPINN_MEMORY", /registers/, () => commands.fillMemory(CHIP, 0xe1010000, 0, 4)],
  ["INFO of a core", "ERR_SPINN_ARGUMENT", /monitor only/, () => commands.getChipInfo({ ...CHIP, p: 1 })],
  ["link 6", "ERR_SPINN_ARGUMENT", /link .* not 6/, () => commands.readLink(CHIP, 6, 0xf5007f00, 4)],
  ["unaligned LINK_READ", "ERR_SPINN_MEMORY", /whole, aligned words/, () => commands.readLink(CHIP, 0, 0xf5007f02, 4)],
  ["application 0", "ERR_SPINN_ARGUMENT", /application id 0/, () => commands.startApplication(CHIP, { appId: 0, cores: [1] })],
  ["application on the monitor", "ERR_SPINN_ARGUMENT", /core 0/, () => commands.startApplication(CHIP, { appId: 1, cores: [0] })],
  ["application nowhere", "ERR_SPINN_ARGUMENT", /no cores/, () => commands.startApplication(CHIP, { appId: 1, cores: [] })],
  ["copy of 6 bytes", "ERR_SPINN_ARGUMENT", /6 bytes/, () => commands.copyApplication(CHIP, { link: 0, sizeBytes: 6 })],
  ["signal 14", "ERR_SPINN_ARGUMENT", /signal .* not 14/, () => commands.sendSignal(14 as 0, 1)],
  ["signal by type 1", "ERR_SPINN_ARGUMENT", /type 1/, () => commands.sendSignal(3, 1, { type: 1 })],
  ["signal nobody matches", "ERR_SPINN_ARGUMENT", /no core can match/, () => commands.sendSignal(3, 0x31, { appMask: 0x0f })],
  ["STOP of everything", "ERR_SPINN_ARGUMENT", /hangs the monitor/, () => commands.sendSignal(2, 0, { appMask: 0 })],
  ["STOP of everything by flood", "ERR_SPINN_ARGUMENT", /hangs the monitor/, () => commands.floodSignal(2, 0, 0)],
  ["odd flood id", "ERR_SPINN_ARGUMENT", /flood id 3/, () => commands.startFlood(3, 1)],
  ["unaligned flood write", "ERR_SPINN_MEMORY", /offset 2/, () => commands.floodWrite(commands.FloodArea.SV, 2, 4, 0)],
  ["LED 16", "ERR_SPINN_ARGUMENT", /LED .* not 16/, () => commands.setLeds(CHIP, { 16: "on" })],
  ["LED action", "ERR_SPINN_ARGUMENT", /"blink"/, () => commands.setLeds(CHIP, { 0: "blink" as "on" })],
  ["no LED", "ERR_SPINN_ARGUMENT", /no LED/, () => commands.setLeds(CHIP, {})],
  ["tag 8", "ERR_SPINN_ARGUMENT", /tag .* not 8/, () => commands.setTag(CHIP, 8, { port: 1 })],
  ["tag to a name", "ERR_SPINN_ARGUMENT", /"localhost"/, () => commands.setTag(CHIP, 1, { host: "localhost", port: 1 })],
  ["tag to a host without port", "ERR_SPINN_ARGUMENT", /needs a UDP port/, () => commands.setTag(CHIP, 1, { host: "127.0.0.1" })],
  ["time-out that sets flags", "ERR_SPINN_ARGUMENT", /code 9/, () => commands.setTag(CHIP, 1, { port: 1, timeoutCode: 9 })],
  ["tags beyond 15", "ERR_SPINN_ARGUMENT", /number of tags/, () => commands.getTags(CHIP, 15, 2)],
  ["reply tags that live for ever", "ERR_SPINN_ARGUMENT", /time-out code .* not 0/, () => commands.setTagTimeout(CHIP, 0)],
  ["allocation of nothing", "ERR_SPINN_ARGUMENT", /size of the block/, () => commands.allocateSdram(CHIP, 30, 0)],
  ["retry without tag", "ERR_SPINN_ARGUMENT", /retry flag/, () => commands.allocateSdram(CHIP, 30, 4, { retryFlag: true })],
  ["free of address 0", "ERR_SPINN_MEMORY", /0x00000000/, () => commands.freeSdram(CHIP, 0)],
  ["router entry 0", "ERR_SPINN_ARGUMENT", /router entry .* not 0/, () => commands.clearRouter(CHIP, 0, 1)],
  ["1024 routes at 1", "ERR_SPINN_ARGUMENT", /number of router entries/, () => commands.loadRouter(CHIP, 30, 0x67800000, 1, 1024)],
  ["remap of the monitor", "ERR_SPINN_ARGUMENT", /virtual core .* not 0/, () => commands.remapCore(CHIP, 0, "virtual")],
  ["SROM read of 257", "ERR_SPINN_ARGUMENT", /not 257/, () => commands.readSrom(CHIP, 0, 257)],
  ["SROM write over a page", "ERR_SPINN_ARGUMENT", /cross a page/, () => commands.writeSrom(CHIP, 255, new Uint8Array(2))],
  ["board 24", "ERR_SPINN_ARGUMENT", /board .* not 24/, () => commands.getBmpVersion(24)],
  ["power for no board", "ERR_SPINN_ARGUMENT", /mask of boards/, () => commands.setPower(true, [])],
  ["delay that starves the watchdog", "ERR_SPINN_ARGUMENT", /watchdog/, () => commands.setPower(true, [23], { delayMs: 500 })],
  ["FPGA 3", "ERR_SPINN_ARGUMENT", /FPGA .* not 3/, () => commands.readFpga(0, 3, 0)],
  ["unaligned FPGA register", "ERR_SPINN_ARGUMENT", /0x00040006/, () => commands.readFpga(0, 0, 0x40006)],
  ["narrow read of a BMP register", "ERR_SPINN_MEMORY", /registers of the BMP/, () => commands.readBmpMemory(0, 0x2009c034, 2)],
  ["BMP FILL over the end", "ERR_SPINN_MEMORY", /inside one memory/, () => commands.fillBmpMemory(0, 0x10007ffc, 0, 8)],
];

describe("arguments are refused before anything is sent", () => {
  it.each(REFUSED)("%s", (_, code, words, make) => {
    expect(make).toThrow(expect.objectContaining({ code, message: expect.stringMatching(words) as string }));
  });
});

describe("what may be executed twice", () => {
  const { FloodArea } = commands;
  const start = { appId: 30, cores: [1] };
  const copy = { link: 0, sizeBytes: 64 };
  it.each([
    ["VER", commands.getVersion(CHIP), true],
    ["INFO", commands.getChipInfo(CHIP), true],
    ["COUNT", commands.countCores(CHIP, 30, 7), true],
    ["ALLOC", commands.allocateSdram(CHIP, 30, 64), false],
    ["ALLOC with a tag", commands.allocateSdram(CHIP, 30, 64, { tag: 1 }), false],
    ["ALLOC with the retry flag", commands.allocateSdram(CHIP, 30, 64, { tag: 1, retryFlag: true }), true],
    ["free one block", commands.freeSdram(CHIP, 0x60640018), false],
    ["free all of an application", commands.freeSdramOf(CHIP, 30), true],
    ["allocate router entries", commands.allocateRouterEntries(CHIP, 30, 2), false],
    ["free router entries", commands.freeRouterEntries(CHIP, 1), false],
    ["load routes", commands.loadRouter(CHIP, 30, 0x67800000, 1, 1), true],
    ["AR", commands.startApplication(CHIP, start), false],
    ["AS", commands.startApplicationAt(CHIP, 0x67800000, start), false],
    ["copy", commands.copyApplication(CHIP, copy), true],
    ["copy and run", commands.copyAndStartApplication(CHIP, copy, start), false],
    ["STOP", commands.sendSignal(2, 30), true],
    ["SYNC0", commands.sendSignal(4, 30), true],
    ["TIMER", commands.sendSignal(9, 30), false],
    ["USR3", commands.sendSignal(13, 30), false],
    ["USR3 by flood", commands.floodSignal(13, 30), false],
    ["flood start", commands.startFlood(2, 1), true],
    ["flood end", commands.endFlood(2, start), true],
    ["flood write to sv", commands.floodWrite(FloodArea.SV, 0x70, 4, 1), true],
    ["flood write to the system controller", commands.floodWrite(FloodArea.SYSTEM_CONTROLLER, 0, 4, 1), false],
    ["LED on", commands.setLeds(CHIP, { 0: "on" }), true],
    ["LED invert", commands.setLeds(CHIP, { 0: "on", 1: "invert" }), false],
    ["tag SET", commands.setTag(CHIP, 1, { port: 1 }), true],
    ["tag NEW", commands.newTag(CHIP, { port: 1 }), false],
    ["REMAP", commands.remapCore(CHIP, 3, "physical"), false],
    ["SROM read", commands.readSrom(CHIP, 0, 4), true],
    ["SROM write", commands.writeSrom(CHIP, 0, new Uint8Array(4)), false],
    ["power on", commands.setPower(true, [0]), false],
    ["power off", commands.setPower(false, [0]), true],
    ["reset pulse", commands.resetBoards("pulse", [0]), false],
    ["reset hold", commands.resetBoards("hold", [0]), true],
    ["BMP register write", commands.writeBmpMemory(0, 0x2009c034, new Uint8Array(4)), false],
  ])("%s", (_, request, repeatable) => {
    expect(request.repeatable).toBe(repeatable);
  });
});

describe("waits", () => {
  it("power on waits for the FPGAs, a copy for the link", () => {
    expect(commands.setPower(true, [0]).slowMs).toBe(10_000);
    expect(commands.copyApplication(CHIP, { link: 0, sizeBytes: 64 }).slowMs).toBe(6000);
    expect(commands.getVersion(ROOT_CHIP).slowMs).toBeUndefined();
  });
});
