import { describe, expect, it } from "vitest";
import * as commands from "../../src/commands/index.js";
import { ROOT_CHIP } from "../../src/commands/index.js";
import { regionOf } from "../../src/machine/index.js";
import { decodeScpRequest, encodeScpRequest, returnCodeInfo, type ScpRequest, SDP_DATA_OFFSET } from "../../src/wire/index.js";
import { bytes, hex, readVectors, type Vector } from "./vectors.js";

const vectors = readVectors("scp-vectors.json");
const packets = vectors.filter((vector) => vector.fields["cmdRc"] !== undefined);
const at = (x: number, y: number) => ({ x, y });
const ZERO = at(0, 0);
const blockOf = (name: string): Uint8Array => decodeScpRequest(bytes(vectors.find((vector) => vector.name === name)!.hex)).data;

type Make = () => ScpRequest<unknown>;
const signal = (number: number, options?: commands.SignalOptions) => () => commands.sendSignal(number as 0, 30, options);

/** Every request of the file that a factory makes, built as a caller builds it. */
const FACTORIES: Record<string, Make> = {
  "ver-root": () => commands.getVersion(ROOT_CHIP),
  "ver-during-boot": () => commands.getVersion(ROOT_CHIP),
  "ver-chip-3-5": () => commands.getVersion(at(3, 5)),
  "ver-app-core": () => commands.getVersion({ x: 1, y: 0, p: 7 }),
  "ver-legacy": () => commands.getVersion(ZERO),
  "rig-wire-ver": () => commands.getVersion(ROOT_CHIP),
  "ybug-wire-ver": () => commands.getVersion(ROOT_CHIP),
  "info-root": () => commands.getChipInfo(ROOT_CHIP),
  "info-chip-4-8": () => commands.getChipInfo(at(4, 8)),
  "info-chip-1-2": () => commands.getChipInfo(at(1, 2)),
  "rig-wire-info": () => commands.getChipInfo(ZERO),
  "read-word": () => commands.readMemory(ZERO, 0xf5007f10, 4),
  "read-half": () => commands.readMemory(ROOT_CHIP, 0xf5007f02, 2),
  "read-byte": () => commands.readMemory(at(2, 3), 0x60640019, 1),
  "read-odd-length-page": () => commands.readMemory(at(2, 3), 0x60640000, 255),
  "read-vcpu-3": () => commands.readMemory(at(1, 1), 0xf5007180, 128),
  "read-full": () => commands.readMemory(ZERO, 0x60640000, 256),
  "read-itcm-core-5": () => commands.readMemory({ x: 0, y: 1, p: 5 }, 0x20, 32),
  "rig-wire-read": () => commands.readMemory(ROOT_CHIP, 0xf5007f02, 2),
  "ybug-wire-read": () => commands.readMemory(ROOT_CHIP, 0xf5007fe2, 2),
  "write-word": () => commands.writeMemory(ZERO, 0x60640000, bytes("efbeadde")),
  "write-byte": () => commands.writeMemory(ZERO, 0x60640003, bytes("5a")),
  "write-half": () => commands.writeMemory(ZERO, 0x60640002, bytes("0102")),
  "write-256": () =>
    commands.writeMemory(
      at(7, 7),
      0x67800000,
      Uint8Array.from({ length: 256 }, (_, i) => i),
    ),
  "rig-wire-write": () => commands.writeMemory(ZERO, 0x60640018, blockOf("rig-wire-write")),
  "ybug-wire-write": () => commands.writeMemory(ZERO, 0x67800000, blockOf("ybug-wire-write")),
  fill: () => commands.fillMemory(ZERO, 0x60640000, 0xdeadbeef, 64),
  "rig-wire-fill": () => commands.fillMemory(ZERO, 0x60640018, 0x55, 100),
  "ybug-wire-fill": () => commands.fillMemory(ZERO, 0x67800000, 0xdeadbeef, 64),
  "link-read-east": () => commands.readLink(ZERO, 0, 0xf5007f00, 8),
  "rig-wire-link-read": () => commands.readLink(ZERO, 0, 0xf5007f00, 8),
  "ybug-wire-link-read": () => commands.readLink(ZERO, 0, 0xf5007f00, 256),
  "link-write-south": () => commands.writeLink(at(0, 1), 5, 0x67800000, bytes("3132333435363738")),
  "rig-wire-link-write": () => commands.writeLink(ZERO, 0, 0x67800000, blockOf("rig-wire-link-write")),
  "ybug-wire-link-write": () => commands.writeLink(ZERO, 0, 0x67800000, blockOf("ybug-wire-link-write")),
  "app-run": () => commands.startApplication(ZERO, { appId: 30, cores: [1, 2, 3] }),
  "app-run-wait": () => commands.startApplication(ZERO, { appId: 30, cores: [1], wait: true }),
  "app-copy-run": () =>
    commands.copyAndStartApplication(
      at(1, 0),
      { link: 3, sizeBytes: 1032, checksum: 0x12345678 },
      { appId: 30, cores: [4, 5], wait: true },
    ),
  "app-copy-run-no-cores": () => commands.copyApplication(at(1, 1), { link: 4, sizeBytes: 1032 }),
  "app-stop": () => commands.floodSignal(2, 30),
  "ybug-wire-nnp-cmd0": () => commands.floodSignal(2, 30),
  "ybug-wire-nnp-cmd4": () => commands.floodWrite(commands.FloodArea.SV, 0x70, 4, 0x1234, { retry: 0xf8 }),
  "signal-initialise": signal(0),
  "signal-power-down": signal(1),
  "signal-stop": signal(2),
  "signal-start": signal(3, { type: 0 }),
  "signal-sync0": signal(4),
  "signal-sync1": signal(5),
  "signal-pause": signal(6),
  "signal-continue": signal(7),
  "signal-exit": signal(8),
  "signal-timer": signal(9),
  "signal-user-0": signal(10),
  "signal-user-1": signal(11),
  "signal-user-2": signal(12),
  "signal-user-3": signal(13),
  "signal-all-apps-17": () => commands.sendSignal(3, 17, { type: 0 }),
  "rig-wire-sig-type2-03": () => commands.sendSignal(3, 31, { type: 2 }),
  "rig-wire-sig-type0-04": () => commands.sendSignal(4, 31),
  "rig-wire-sig-type2-02": () => commands.sendSignal(2, 31),
  "ybug-wire-sig-type2-03": signal(3, { type: 2 }),
  "ybug-wire-sig-type0-04": signal(4),
  "ybug-wire-sig-type0-0a": signal(10),
  "rig-wire-sig-type1-65": () => commands.countCoresByRegion(31, 5),
  "rig-wire-sig-type1-68": () => commands.countCoresByRegion(31, 8),
  "ybug-wire-sig-type1-68": () => commands.countCoresByRegion(30, 8, { chip: ZERO }),
  "ybug-wire-sig-type1-47": () => commands.testCoresByRegion("any", 30, 7, { chip: ZERO }),
  "count-state-run": () => commands.countCores(ZERO, 30, 7),
  "sync-on": () => commands.setClockSync(true),
  "sync-off": () => commands.setClockSync(false),
  "led-0-on-1-invert-3-off": () => commands.setLeds(ZERO, { 0: "on", 1: "invert", 3: "off" }),
  "rig-wire-led": () => commands.setLeds(ZERO, { 1: "on" }),
  "ybug-wire-led": () => commands.setLeds(ZERO, { 0: "invert" }),
  "iptag-set": () => commands.setTag(ZERO, 1, { host: "192.168.240.1", port: 17892 }),
  "iptag-set-strip": () => commands.setTag(ZERO, 2, { host: "127.0.0.1", port: 50007, strip: true }),
  "iptag-set-use-sender": () => commands.setTag(at(4, 8), 3, { strip: true }),
  "iptag-reverse": () => commands.setReverseTag(ZERO, 5, { port: 17895, x: 2, y: 3, p: 4 }),
  "iptag-get": () => commands.getTags(ZERO, 1),
  "iptag-get-reverse": () => commands.getTags(ZERO, 5),
  "iptag-clear": () => commands.clearTag(ZERO, 1),
  "iptag-info": () => commands.getTagPool(ROOT_CHIP),
  "iptag-set-tto": () => commands.setTagTimeout(ROOT_CHIP, 9),
  "rig-wire-iptag-op1": () => commands.setTag(ZERO, 1, { host: "127.0.0.1", port: 12345 }),
  "rig-wire-iptag-op2": () => commands.getTags(ZERO, 1),
  "rig-wire-iptag-op3": () => commands.clearTag(ZERO, 1),
  "ybug-wire-iptag-op1": () => commands.setTag(ROOT_CHIP, 0, { port: 17892 }),
  "ybug-wire-iptag-op2": () => commands.getTags(ZERO, 0),
  "ybug-wire-iptag-op3": () => commands.clearTag(ZERO, 1),
  "ybug-wire-iptag-op4": () => commands.getTagPool(ZERO),
  "sdram-alloc": () => commands.allocateSdram(ZERO, 30, 1024),
  "sdram-alloc-tag-retry": () => commands.allocateSdram(at(1, 2), 30, 100, { tag: 7, retryFlag: true }),
  "rig-wire-alloc-op0": () => commands.allocateSdram(ZERO, 31, 100, { tag: 1 }),
  "sdram-free-pointer": () => commands.freeSdram(ZERO, 0x60640018),
  "rig-wire-alloc-op1": () => commands.freeSdram(ZERO, 0x60640018),
  "sdram-free-app": () => commands.freeSdramOf(ZERO, 30),
  "router-alloc": () => commands.allocateRouterEntries(ZERO, 30, 12),
  "rig-wire-alloc-op3": () => commands.allocateRouterEntries(ZERO, 31, 1),
  "ybug-wire-alloc-op3": () => commands.allocateRouterEntries(ZERO, 30, 2),
  "rig-wire-alloc-op5": () => commands.freeRouterEntriesOf(ZERO, 31),
  "router-load": () => commands.loadRouter(ZERO, 30, 0x67800000, 1, 12),
  "rig-wire-rtr-op2": () => commands.loadRouter(ZERO, 31, 0x67800000, 1, 1),
  "ybug-wire-rtr-op2": () => commands.loadRouter(ZERO, 30, 0x67800000, 1, 2),
  "router-init": () => commands.initRouter(ZERO),
  "fixed-route-set": () => commands.setFixedRoute(ZERO, 0x84),
  "fixed-route-get": () => commands.getFixedRoute(ZERO),
  "flood-start-all": () => commands.startFlood(4, 2, commands.WHOLE_MACHINE, { retry: 0x1a }),
  "flood-start-chip-5-6": () => commands.startFlood(6, 1, regionOf(at(5, 6)), { retry: 0x1a }),
  "flood-data-block-1": () =>
    commands.floodData(
      4,
      1,
      0x67800100,
      Uint8Array.from({ length: 16 }, (_, i) => i),
      { retry: 0x1e },
    ),
  "flood-end-no-app": () => commands.endFlood(4, undefined, { retry: 0x1a }),
  "flood-end-app": () => commands.endFlood(4, { appId: 30, cores: [1, 2, 17], wait: true }, { retry: 0x1a }),
  "rig-wire-nnp-cmd6": () => commands.startFlood(2, 5, 0),
  "rig-wire-nnp-cmd7": () => commands.selectFlood(0x00030001, [1, 2]),
  "rig-wire-ffd": () => commands.floodData(2, 0, 0x67800000, blockOf("rig-wire-ffd")),
  "rig-wire-nnp-cmd15": () => commands.endFlood(2, { appId: 31, cores: [1], wait: true }),
  "ybug-wire-nnp-cmd6": () => commands.startFlood(2, 5),
  "ybug-wire-ffd": () => commands.floodData(2, 0, 0x67800000, blockOf("ybug-wire-ffd")),
  "ybug-wire-nnp-cmd15": () => commands.endFlood(2, { appId: 30, cores: [1, 2, 3], wait: true }),
  "ybug-wire-srom": () => commands.readSrom(ZERO, 0, 256),
  "ybug-wire-remap": () => commands.remapCore(ZERO, 3, "virtual"),
};

/** Requests that no factory makes: the error cases are VERs to cores of a chip that is not there, 99 is a command that is not there. */
const NOT_BUILT = /^(errorcase-8\d-request|errorcase-8[a-f]-request|rig-wire-unknown-99|ybug-wire-unknown-99)$/;

/**
 * Bits that the firmware reads, where it does not read a whole argument: peers differ in the others. INFO reads no argument, SIG types 0 and
 * 2 no mask, LED no second one, RTR no application id for fixed routes, APP_COPY_RUN no id when it starts nothing; rig ends its flood with
 * cores that its core selection has named already.
 */
const READ_BITS: Record<string, { arg1?: number; arg2?: number; arg3?: number }> = {
  "info-root": { arg1: 0 },
  "info-chip-4-8": { arg1: 0 },
  "info-chip-1-2": { arg1: 0 },
  "ybug-wire-led": { arg2: 0 },
  "fixed-route-set": { arg1: 0xff },
  "fixed-route-get": { arg1: 0xff },
  "app-copy-run-no-cores": { arg3: 0x3ffff },
  "rig-wire-nnp-cmd15": { arg2: ~0x3ffff },
  // ybug reads a half-word in bytes: the same bytes come back.
  "ybug-wire-read": { arg3: 0 },
};

type Fields = Pick<ScpRequest<unknown>, "command" | "x" | "y" | "p" | "arg1" | "arg2" | "arg3" | "data">;

function packet(vector: Vector, request: Fields, bits: { arg1?: number; arg2?: number; arg3?: number }): string {
  const { fields } = vector;
  const keep = (value: number, mask: number | undefined): number => (mask === undefined ? value : value & mask) >>> 0;
  return hex(
    encodeScpRequest({
      flags: fields["flags"]!,
      tag: fields["tag"]!,
      destPort: 0,
      destCpu: request.p,
      srcPort: fields["srcPort"]!,
      srcCpu: fields["srcCpu"]!,
      destX: request.x,
      destY: request.y,
      srcX: fields["srcX"]!,
      srcY: fields["srcY"]!,
      command: request.command,
      sequence: fields["seq"]!,
      arg1: keep(request.arg1, bits.arg1),
      arg2: keep(request.arg2, bits.arg2),
      arg3: keep(request.arg3, bits.arg3),
      data: request.data ?? new Uint8Array(),
    }),
  );
}

describe("requests against golden packets", () => {
  const requests = packets.filter((vector) => vector.direction === "request");

  it("every golden request has a factory or a reason", () => {
    const missing = requests.map(({ name }) => name).filter((name) => FACTORIES[name] === undefined && !NOT_BUILT.test(name));
    expect(missing).toEqual([]);
    expect(Object.keys(FACTORIES).length).toBeGreaterThan(110);
  });

  it.each(requests.filter(({ name }) => FACTORIES[name] !== undefined))("$name", (vector) => {
    const request = FACTORIES[vector.name]!();
    const bits = READ_BITS[vector.name] ?? {};
    const { destX, destY, destCpu, ...golden } = decodeScpRequest(bytes(vector.hex));
    expect(packet(vector, request, bits)).toBe(packet(vector, { ...golden, x: destX, y: destY, p: destCpu }, bits));
    if (READ_BITS[vector.name] === undefined) expect(packet(vector, request, {})).toBe(vector.hex);
    expect(request.describe()).toMatch(/^[A-Z_]+ .*on (chip|core|the root)/);
    expect(request.minReply).toBeLessThanOrEqual(request.maxReply);
  });
});

/** The request that a reply belongs to, as its name says: `read-word-reply` -> `read-word`, `x-reply-4.0.0` -> `x`. */
function requestOf(reply: Vector): ScpRequest<unknown> | undefined {
  return FACTORIES[reply.name.replace(/-reply.*$/, "")]?.();
}

/** What a decoded reply must show, member by member; functions translate between the names of the file and ours. */
const MEANS: Record<string, (result: never) => unknown> = {
  "ver-root-reply-4.0.0": (v: commands.VersionInfo) => ({
    virtualCore: v.virtualCore,
    physicalCore: v.physicalCore,
    x: v.x,
    y: v.y,
    bufferSize: v.bufferSize,
    versionField: 0xffff,
    buildDate: v.buildDate,
    name: v.name,
    hardware: v.hardware,
    version: [v.version.major, v.version.minor, v.version.patch],
  }),
  "ver-during-boot-reply": (v: commands.VersionInfo) => ({ virtualCore: v.virtualCore, physicalCore: v.physicalCore, x: v.x, y: v.y }),
  "ver-chip-3-5-reply-3.1.0": (v: commands.VersionInfo) => ({
    virtualCore: v.virtualCore,
    physicalCore: v.physicalCore,
    x: v.x,
    y: v.y,
    version: Object.values(v.version),
  }),
  "ver-app-core-reply": (v: commands.VersionInfo) => ({
    virtualCore: v.virtualCore,
    physicalCore: v.physicalCore,
    x: v.x,
    y: v.y,
    name: v.name,
  }),
  "ver-legacy-reply-1.33": (v: commands.VersionInfo) => ({ versionField: 133, version: Object.values(v.version), name: v.name }),
  "info-root-reply": info,
  "info-chip-4-8-reply": info,
  "info-chip-1-2-reply-no-ethernet": info,
  "read-word-reply": (data: Uint8Array) => ({ data: hex(data) }),
  "read-half-reply": (data: Uint8Array) => ({ data: hex(data) }),
  "read-byte-reply": (data: Uint8Array) => ({ data: hex(data) }),
  "write-word-reply": () => ({ ok: true }),
  "link-read-east-reply": (data: Uint8Array) => ({ data: hex(data) }),
  "count-state-run-reply": (v: commands.CoreCount) => ({ count: v.count }),
  "count-state-run-reply-missing-chips": (v: commands.CoreCount) => ({ result: v.complete ? "RC_OK" : "RC_P2P_NOREPLY", count: v.count }),
  "iptag-set-reply": (tag: number) => ({ tag }),
  "iptag-get-reply": ([tag]: commands.TagEntry[]) => ({
    ip: tag!.host,
    mac: tag!.mac,
    port: tag!.port,
    timeout: tag!.timeoutTicks,
    flags: tag!.inUse ? 0x8000 : 0,
    count: tag!.packetsSent,
    rxPort: tag!.rxPort,
    destAddr: (tag!.destination.x << 8) | tag!.destination.y,
    destPortCpu: (tag!.destination.sdpPort << 5) | tag!.destination.p,
  }),
  "iptag-get-reverse-reply": ([tag]: commands.TagEntry[]) => ({
    flags: (tag!.inUse ? 0x8000 : 0) | (tag!.reverse ? 0x200 : 0) | (tag!.strip ? 0x100 : 0),
    rxPort: tag!.rxPort,
    destX: tag!.destination.x,
    destY: tag!.destination.y,
    destPort: tag!.destination.sdpPort,
    destCpu: tag!.destination.p,
  }),
  "iptag-info-reply": (v: commands.TagPool) => ({
    transientTimeoutCode: v.timeoutCode,
    entrySize: 32,
    poolSize: v.poolSize,
    fixedSize: v.fixedSize,
  }),
  "sdram-alloc-reply": (address: number) => ({ address }),
  "sdram-free-app-reply": (blocks: number) => ({ blocks }),
  "router-alloc-reply": (base: number) => ({ base }),
  "fixed-route-get-reply": (route: number) => ({ route, links: [2], cores: [1] }),
};

function info(v: commands.ChipSummary): Record<string, unknown> {
  return {
    nCores: v.coreCount,
    workingLinks: [0, 1, 2, 3, 4, 5].filter((link) => (v.links >> link) & 1),
    freeRouterEntries: v.freeRouterEntries,
    ethernetUp: v.ethernetUp,
    largestSdram: v.largestSdramBlock,
    largestSysRam: v.largestSysramBlock,
    coreStates: v.coreStates,
    nearestEthernet: v.nearestEthernet && [v.nearestEthernet.x, v.nearestEthernet.y],
    ip: v.ipAddress ?? null,
    parentLink: v.parentLink ?? null,
  };
}

describe("replies against golden packets", () => {
  const replies = packets.filter((vector) => vector.direction === "reply");
  // What a pipeline does with a reply: code, then length, then decoding.
  function receive(reply: Vector): unknown {
    const request = requestOf(reply)!;
    const code = reply.fields["cmdRc"]!;
    if (code !== 0x80 && !request.acceptedCodes?.includes(code)) return { result: returnCodeInfo(code).name };
    const datagram = bytes(reply.hex);
    const length = datagram.length - 14;
    if (length < request.minReply || length > request.maxReply) return { result: "RC_OK", dataLength: length };
    return request.decode(datagram, code);
  }

  it("every meaning in the file is checked", () => {
    const special = [
      "link-read-east-reply-timeout",
      "link-read-east-reply-timeout-4.0.0",
      "app-copy-run-reply-bad-sum",
      "sdram-alloc-reply-none",
    ];
    const unchecked = replies.filter((r) => r.means !== undefined && MEANS[r.name] === undefined && !special.includes(r.name));
    expect(unchecked.map(({ name }) => name).filter((name) => !name.startsWith("error-"))).toEqual([]);
  });

  it.each(replies.filter(({ name }) => MEANS[name] !== undefined))("$name means what its peer understood", (reply) => {
    const seen = MEANS[reply.name]!(receive(reply) as never) as Record<string, unknown>;
    for (const [member, value] of Object.entries(reply.means!)) expect({ [member]: seen[member] }).toEqual({ [member]: value });
  });

  it.each(replies.filter((r) => requestOf(r) !== undefined && MEANS[r.name] === undefined && !/bad-sum|none/.test(r.name)))(
    "$name is accepted or refused without harm",
    (reply) => {
      const result = receive(reply);
      if (reply.fields["cmdRc"] !== 0x80 || reply.name.endsWith("timeout-4.0.0")) expect(result).toMatchObject(reply.means!);
      else expect({ ...(result as object) }).not.toHaveProperty("result");
    },
  );

  it("a checksum that differs is a failed load, with the code and masked", () => {
    const reply = vectors.find(({ name }) => name === "app-copy-run-reply-bad-sum")!;
    const request = FACTORIES["app-copy-run"]!();
    expect(request.acceptedCodes).toContain(0x82);
    expect(request.maxReply).toBe(4);
    expect(() => request.decode(bytes(reply.hex), 0x82)).toThrow(/0x92345678/);
    expect(() => request.decode(bytes(reply.hex), 0x80)).toThrow(expect.objectContaining({ code: "ERR_SPINN_LOAD" }));
  });

  it("address 0 is a refused allocation", () => {
    const reply = vectors.find(({ name }) => name === "sdram-alloc-reply-none")!;
    expect(() => FACTORIES["sdram-alloc"]!().decode(bytes(reply.hex), 0x80)).toThrow(expect.objectContaining({ code: "ERR_SPINN_MEMORY" }));
  });

  it("error replies carry no data, so no request of the file takes one for an answer", () => {
    const errors = replies.filter(({ name }) => name.startsWith("error-"));
    expect(errors.length).toBe(15);
    for (const { hex: text } of errors) expect(bytes(text).length).toBe(SDP_DATA_OFFSET + 4);
  });
});
