import { readFileSync } from "node:fs";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { EIEIOConnection } from "../../src/connections/index.js";
import { type CoreContext, liveEvents, SimulatedMachine } from "../../src/simulator/index.js";
import { injectEvents } from "../../src/simulator/programs/event-injector.js";
import { decodeEieioData, EieioType, encodeEieioCommand, encodeEieioData, type SdpMessage } from "../../src/wire/index.js";
import { TestClient, until } from "./client.js";

interface Vector {
  readonly name: string;
  readonly hex: string;
  readonly fields: {
    readonly injectorEmits?: readonly { readonly key: number; readonly payload?: number }[];
    readonly injectorPrefix?: number;
  };
}

const { vectors } = JSON.parse(readFileSync(new URL("../../fixtures/eieio.json", import.meta.url), "utf8")) as {
  vectors: readonly Vector[];
};
const bytesOf = (vector: Vector): Uint8Array => Uint8Array.from(Buffer.from(vector.hex, "hex"));

describe("the injector", () => {
  const emitting = vectors.filter(({ fields }) => fields.injectorEmits !== undefined);

  it("has vectors", () => expect(emitting.length).toBeGreaterThan(20));

  it.each(emitting)("emits what the board's own code does: $name", (vector) => {
    const { injectorEmits, injectorPrefix } = vector.fields;
    const sent: { key: number; payload?: number }[] = [];
    const prefix = injectorPrefix === undefined ? undefined : injectorPrefix >>> 16;
    const count = injectEvents(bytesOf(vector), prefix, 0, (key, payload) => sent.push(payload === undefined ? { key } : { key, payload }));
    expect(sent).toEqual(injectorEmits);
    expect(count).toBe(sent.length);
  });

  it("drops what is for another step, takes no commands, refuses what is cut", () => {
    const timed = encodeEieioData({ type: EieioType.KEY_PAYLOAD_32, payloadBase: 3, payloadIsTime: true, keys: [5], payloads: [0] });
    const none = (): never => expect.fail("nothing was to be sent");
    expect(injectEvents(timed, undefined, 2, none)).toBe(0);
    expect(injectEvents(timed, undefined, 4, none)).toBe(0);
    expect(injectEvents(timed, undefined, 3, () => {})).toBe(1);
    expect(injectEvents(encodeEieioCommand({ kind: "database", path: undefined }), undefined, 0, none)).toBe(0);
    expect(() => injectEvents(timed.subarray(0, 9), undefined, 3, none)).toThrow(/EIEIO message of 9 bytes/);
  });
});

/** A core without a machine: what it sends is kept. */
function bench(): { core: CoreContext; sent: { step: number; keys: number[] }[]; setState(state: number): void } {
  const sent: { step: number; keys: number[] }[] = [];
  let state = 7;
  const core = {
    x: 1,
    y: 2,
    p: 3,
    vcpu: 0xe5007000,
    get state() {
      return state;
    },
    memory: { readHalf: () => 0, writeWord: () => {} },
    sendSdp: (message: SdpMessage) => {
      const { keys, payloadBase } = decodeEieioData(message.data);
      sent.push({ step: payloadBase!, keys: [...keys] });
    },
  };
  const setState = (next: number): void => {
    state = next;
  };
  return { core: core as unknown as CoreContext, sent, setState };
}

describe("the program's time", () => {
  it("fires atom after atom in every step, 64 keys to a message", () => {
    const { core, sent } = bench();
    const program = liveEvents({ eventsPerStep: 70, atoms: 100, stepMs: 2 });
    program.start(core);
    expect(program.onTick!(3)).toBe(false);
    expect(program.onTick!(1)).toBe(false);
    expect(sent.map(({ step, keys }) => [step, keys.length])).toEqual([
      [0, 64],
      [0, 6],
      [1, 64],
      [1, 6],
    ]);
    const first = (1 << 24) | (2 << 16) | (3 << 11);
    expect(sent.flatMap(({ keys }) => keys)).toEqual(Array.from({ length: 140 }, (_, i) => first + (i % 100)));
  });

  it("stands still in PAUSE and does not catch up on a long sleep", () => {
    const { core, sent, setState } = bench();
    const program = liveEvents({ eventsPerStep: 1, atoms: 4, firstKey: 10 });
    program.start(core);
    setState(10);
    expect(program.onTick!(50)).toBe(false);
    expect(sent).toEqual([]);
    setState(7);
    let turns = 1;
    for (let again = program.onTick!(3_600_000); again === true; again = program.onTick!(0)) turns += 1;
    expect(turns).toBe(50);
    expect(sent).toHaveLength(1000);
    expect(sent.at(-1)).toEqual({ step: 999, keys: [13] });
  });
});

describe("on a simulated board", () => {
  const image = new Uint8Array(new Uint32Array([2, 0, 0x20, 32, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]).buffer);
  let machine: SimulatedMachine;
  let client: TestClient;

  beforeEach(async () => {
    machine = await SimulatedMachine.start({ board: "spin3", port: 0, timeScale: 0, programs: () => liveEvents({ tag: 3 }) });
    client = await TestClient.open(machine.boards[0]!.address);
    await client.write(0x67800000, image);
    await client.ask({ command: 19, arg1: 0x1e000002 });
    await until(() => machine.chip(0, 0).cores[1]!.state === 7);
  });

  afterEach(async () => {
    await client.close();
    await machine.close();
  });

  it("events that come in by SDP leave through the tag, counted both ways", async () => {
    await using own = await EIEIOConnection.open();
    const { host, port } = machine.boards[0]!.address;
    const message = encodeEieioData({ type: EieioType.KEY_32, keys: [1, 0xdeadbeef] });
    const came = new Promise<Uint8Array>((resolve) => own.onMessage((datagram) => resolve(datagram)));
    await client.ask({ command: 26, arg1: 0x10010003, arg2: own.localPort, arg3: 0x0100007f });
    const header = Uint8Array.of(0, 0, 0x07, 0, (1 << 5) | 1, 0, 0, 0, 0, 0);
    await own.send(Uint8Array.of(...header, ...message), port, host);
    const events = decodeEieioData(await came);
    expect([...events.keys]).toEqual([1, 0xdeadbeef]);
    expect(events).toMatchObject({ payloadIsTime: true, payloadBase: expect.any(Number) });
    const { memory } = machine.chip(0, 0);
    const vcpu = 0xe5007000 + 128;
    expect([memory.readWord(vcpu + 112), memory.readWord(vcpu + 116)]).toEqual([2, 2]);
  });

  it("a message that is cut is counted and hurts nobody", async () => {
    const { host, port } = machine.boards[0]!.address;
    await using own = await EIEIOConnection.open();
    await own.send(Uint8Array.of(0, 0, 0x07, 0, (1 << 5) | 1, 0, 0, 0, 0, 0, 9, 8), port, host);
    const { memory, cores } = machine.chip(0, 0);
    await until(() => memory.readWord(0xe5007000 + 128 + 120) === 1);
    expect(cores[1]).toMatchObject({ state: 7, name: "live-events" });
  });
});
