import { describe, expect, it } from "vitest";
import * as commands from "../../src/commands/index.js";
import { encodeScpRequest, type ScpRequest } from "../../src/wire/index.js";
import { bytes, hex, readVectors } from "./vectors.js";

const vectors = readVectors("bmp-vectors.json");
const named = new Map(vectors.map((vector) => [vector.name, vector]));
const dataOf = (name: string): Uint8Array => bytes(named.get(name)!.hex.slice(52));

/** Requests as a caller builds them. `means` picks from a decoded reply what the file says a peer understood, or what is laid out there. */
const CASES: Record<string, { make: () => ScpRequest<unknown>; result?: unknown; pick?: (result: never) => unknown }> = {
  "ver-board0": { make: () => commands.getBmpVersion(0), result: versionOf(240) },
  "rig-sver": { make: () => commands.getBmpVersion(0), result: versionOf(240) },
  "frame-ver": { make: () => commands.getBmpVersion(0), result: versionOf(1) },
  "ver-absent-board5": { make: () => commands.getBmpVersion(5) },
  "frame-slot-present-but-mute": { make: () => commands.getBmpVersion(2) },
  "power-on-board0": { make: () => commands.setPower(true, [0]) },
  "power-off-board0": { make: () => commands.setPower(false, [0]) },
  "power-on-boards-0-1-2": { make: () => commands.setPower(true, [0, 1, 2]) },
  "power-off-frame": {
    make: () =>
      commands.setPower(
        false,
        Array.from({ length: 24 }, (_, i) => i),
      ),
  },
  "power-off-boards-3-7-delay-500ms": { make: () => commands.setPower(false, [3, 7], { delayMs: 500 }) },
  "rig-power-on": { make: () => commands.setPower(true, [0]) },
  "rig-power-off-1-2-3": { make: () => commands.setPower(false, [1, 2, 3]) },
  "reset-pulse-with-fpgas-slot0": { make: () => commands.resetBoards("pulse", [0], { fpgas: true }) },
  "fpga-read-flag-0": { make: () => commands.readFpga(0, 0, 0x40004), result: [0x30] },
  "fpga-read-flag-1": { make: () => commands.readFpga(0, 1, 0x40004), result: [0x31] },
  "fpga-read-flag-2": { make: () => commands.readFpga(0, 2, 0x40004), result: [0x32] },
  "fpga-read-stop-bank1": { make: () => commands.readFpga(0, 1, 0x1005c), result: [1] },
  "rig-read-fpga": { make: () => commands.readFpga(0, 0, 0x40000), result: [0x30003] },
  "fpga-write-stop-bank1": { make: () => commands.writeFpga(0, 1, 0x1005c, [1]) },
  "fpga-write-pkey": { make: () => commands.writeFpga(0, 2, 0x40008, [0xcafef00d]) },
  "rig-write-fpga": { make: () => commands.writeFpga(0, 0, 0x40010, [0]) },
  "adc-board0": { make: () => commands.getBoardStatus(0), pick: status, result: named.get("adc-board0-reply")!.means },
  "rig-read-adc": { make: () => commands.getBoardStatus(0), pick: status, result: named.get("rig-read-adc-reply")!.means },
  "info-board-status": { make: () => commands.getBoardStatus(0) },
  "frame-board-status-with-externals": {
    make: () => commands.getBoardStatus(0),
    pick: (v: commands.BoardStatus) => v.temperatureExternal,
    result: [0x1580 / 256, 0x1660 / 256],
  },
  "led-7-on": { make: () => commands.setBmpLeds(0, { 7: "on" }) },
  "led-7-off": { make: () => commands.setBmpLeds(0, { 7: "off" }) },
  "led-0-3-5-toggle": { make: () => commands.setBmpLeds(0, { 0: "invert", 3: "invert", 5: "invert" }) },
  "rig-led-5-toggle": { make: () => commands.setBmpLeds(0, { 5: "invert" }) },
  "led-encoder-default-board-mask": { make: () => commands.setBmpLeds(0, { 1: "on" }) },
  "info-serial": {
    make: () => commands.getBmpSerial(0),
    result: {
      hardwareVersion: 5,
      serial: "11223344-55667788-99aabbcc-ddeeff00",
      flashBuffer: 0x10000000,
      statusBlock: 0x081a41c0,
      codeAddress: 0x10000,
    },
  },
  "info-eeprom-copy": { make: () => commands.getBmpEepromCopy(0), pick: (data: Uint8Array) => data.slice(0, 4), result: bytes("960000f0") },
  "info-can-status": { make: () => commands.getCanStatus(0), result: [0] },
  "frame-can-status-4-slots": { make: () => commands.getCanStatus(0), result: [0, 1, 2, 3] },
  "info-ip": {
    make: () => commands.getBmpAddresses(0),
    pick: (v: { bmp: commands.IpBlock }) => v.bmp,
    result: {
      valid: true,
      fixed: false,
      mac: "00:00:a4:f0:00:00",
      address: "127.0.9.3",
      gateway: "192.168.240.254",
      netMask: undefined,
      port: 17893,
    },
  },
  "info-uninit-vector": { make: () => commands.getBmpUptime(0), pick: (v: commands.BmpUptime) => v.uptimeSeconds, result: 0xe10 },
  "read-words": { make: () => commands.readBmpMemory(0, 0x10000000, 16), result: bytes("553a0008f5007fe0000080590100f0a4") },
  "write-words": { make: () => commands.writeBmpMemory(0, 0x10000000, dataOf("write-words")) },
  fill: { make: () => commands.fillBmpMemory(0, 0x10000100, 0xdeadbeef, 32) },
  "sf-read-16": { make: () => commands.readSerialFlash(0, 0x1f0000, 16), result: Uint8Array.from({ length: 16 }, (_, i) => i) },
  "sf-crc-16": { make: () => commands.getSerialFlashCrc(0, 0x1f0000, 16), result: 0xcecee288 },
  "ee-read-no-backplane": { make: () => commands.readEeprom(0, 0, 256) },
  "frame-eeprom-read": {
    make: () => commands.readEeprom(0, 0, 256),
    pick: (data: Uint8Array) => data.slice(0, 8),
    result: bytes("96000001004e7253"),
  },
  "iptag-set-3": { make: () => commands.setBmpTag(0, 3, "127.0.0.1", 2222), result: 3 },
  "iptag-get-3": {
    make: () => commands.getBmpTags(0, 3),
    result: [
      {
        tag: 3,
        inUse: true,
        transient: false,
        resolving: false,
        host: "127.0.0.1",
        mac: "02:02:02:02:02:02",
        port: 2222,
        timeoutTicks: 0,
        packetsSent: 0,
      },
    ],
  },
  "iptag-tto-query": { make: () => commands.getBmpTagPool(0), result: { timeoutCode: 9, poolSize: 8, fixedSize: 8 } },
  "iptag-clear-3": { make: () => commands.clearBmpTag(0, 3) },
};

/** What no factory makes: arguments that a factory refuses, unknown commands, and writing to flash, EEPROM, I2C and FPGA configuration. */
const NOT_BUILT = [
  "fpga-read-unaligned-rounds-down",
  "fpga-read-bad-fpga3",
  "info-bad-subop",
  "unknown-command-63",
  "read-back-bytes",
  "read-257-too-long",
  "read-bad-unit-3",
  "reset-bad-code-3",
  "power-bad-state-2",
  "xilinx-init-mask7",
  "xilinx-data-64",
  "xilinx-reset-high",
  "xilinx-reset-bad-3",
  "sf-write-16-at-1f0000",
  "sf-bad-op-3",
  "i2c-poll-no-backplane",
  "frame-i2c-poll-eeprom",
  "frame-i2c-poll-nobody",
  "flash-erase-70000-71000",
  "flash-write-70000",
  "flash-write-bad-count",
  "flash-erase-out-of-range",
  "iptag-strip-flag-refused",
  "port-1-refused",
  "short-packet",
  "frame-ee-write-16-at-256",
];

function versionOf(frame: number): unknown {
  const text = { name: "BC&MP", hardware: "Spin5-BMP", version: { major: 2, minor: 1, patch: 2 }, bufferSize: 256, buildDate: 1535637600 };
  return { codeBlock: 1, frame, canId: 0, board: 0, ...text };
}

function status(v: commands.BoardStatus): unknown {
  return {
    voltage_1_2c: v.voltage12c,
    voltage_1_2b: v.voltage12b,
    voltage_1_2a: v.voltage12a,
    voltage_1_8: v.voltage18,
    voltage_3_3: v.voltage33,
    voltage_supply: v.voltageSupply,
    temp_top: v.temperatureTop,
    temp_btm: v.temperatureBottom,
    temp_ext_0: v.temperatureExternal[0] ?? null,
    temp_ext_1: v.temperatureExternal[1] ?? null,
    fan_0: v.fans[0],
    fan_1: v.fans[1],
  };
}

describe("BMP requests against golden packets", () => {
  it("every golden request has a factory or a reason", () => {
    const requests = vectors.filter(({ direction }) => direction === "request").map(({ name }) => name);
    expect(requests.filter((name) => CASES[name] === undefined && !NOT_BUILT.includes(name))).toEqual([]);
    expect(NOT_BUILT.filter((name) => !requests.includes(name))).toEqual([]);
  });

  it.each(Object.entries(CASES))("%s", (name, { make }) => {
    const { fields, hex: golden } = named.get(name)!;
    const { x, y, p, ...request } = make();
    const header = { destPort: 0, destCpu: p, destX: x, destY: y, srcPort: fields["srcPort"]!, srcCpu: fields["srcCpu"]! };
    const packet = encodeScpRequest({
      ...header,
      flags: fields["flags"]!,
      tag: fields["tag"]!,
      srcX: fields["srcX"]!,
      srcY: fields["srcY"]!,
      sequence: fields["seq"]!,
      command: request.command,
      arg1: request.arg1,
      arg2: request.arg2,
      arg3: request.arg3,
      data: request.data ?? new Uint8Array(),
    });
    expect(hex(packet)).toBe(golden);
    expect(make().describe()).toMatch(/^[A-Z_]+ .*on the BMP of board \d+$/);
  });
});

describe("BMP replies against golden packets", () => {
  it.each(Object.keys(CASES))("%s-reply", (name) => {
    const { make, pick, result } = CASES[name]!;
    const reply = named.get(`${name}-reply`)!;
    const request = make();
    const datagram = bytes(reply.hex);
    const code = reply.fields["cmdRc"]!;
    if (code !== 0x80) {
      // An error: nothing is decoded, and nothing in the request calls the code an answer.
      expect(request.acceptedCodes ?? []).not.toContain(code);
      return;
    }
    expect(datagram.length - 14).toBeGreaterThanOrEqual(request.minReply);
    expect(datagram.length - 14).toBeLessThanOrEqual(request.maxReply);
    const seen = request.decode(datagram, code);
    if (result !== undefined) expect(pick === undefined ? seen : pick(seen as never)).toMatchObject(stripped(result));
  });
});

function stripped(result: unknown): never {
  if (typeof result !== "object" || result === null) return result as never;
  if (!("result" in result)) return result as never;
  const { result: _, ...rest } = result;
  return rest as never;
}
