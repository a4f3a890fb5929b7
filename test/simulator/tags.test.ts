import { createSocket } from "node:dgram";
import { once } from "node:events";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { SimulatedMachine, sdpEcho } from "../../src/simulator/index.js";
import { TestClient, until, word } from "./client.js";

describe("IP tags", () => {
  let machine: SimulatedMachine;
  let client: TestClient;

  beforeEach(async () => {
    machine = await SimulatedMachine.start({ board: "spin3", port: 0, timeScale: 0, maskErrors: false, programs: () => sdpEcho() });
    client = await TestClient.open(machine.boards[0]!.address);
    await client.ask({ command: 19, arg1: 0x1e000002 });
    await until(async () => (await client.read(0xe5007080 + 46, 1))[0] === 7);
  });
  afterEach(async () => {
    await client.close();
    await machine.close();
  });

  it("are set, shown and cleared", async () => {
    expect(word((await client.ask({ command: 26, arg1: 0x00010001, arg2: 0x1234, arg3: 0x0100007f })).payload)).toBe(1);
    const entry = (await client.ask({ command: 26, arg1: 0x00020001, arg2: 1 })).payload;
    expect(entry.length).toBe(32);
    expect([...entry.subarray(0, 4), word(entry, 10) & 0xffff, (word(entry, 12) >>> 16) & 0xffff]).toEqual([127, 0, 0, 1, 0x1234, 0x8000]);
    expect((await client.ask({ command: 26, arg1: 0x00020001, arg2: 9 })).returnCode).toBe(0x84);
    await client.ask({ command: 26, arg1: 0x00030001 });
    expect((await client.ask({ command: 26, arg1: 0x00020001, arg2: 1 })).payload.subarray(14, 16)).toEqual(Buffer.of(0, 0));
    expect((await client.ask({ command: 26, arg1: 0x00010010 })).returnCode).toBe(0x84);
    expect([...(await client.ask({ command: 26, arg1: 0x00040000, arg2: 255 })).payload]).toEqual([9, 32, 8, 8]);
  });

  it("strip and use-sender: the payload alone comes back to whoever set the tag", async () => {
    await client.ask({ command: 26, arg1: 0x50010003 });
    client.send(client.request({ command: 0xbeef, p: 1, port: 1, flags: 7, tag: 3, data: Uint8Array.of(1, 2) }));
    expect((await client.next())?.subarray(-2)).toEqual(Buffer.of(1, 2));
  });

  it("reverse: raw data become a message, and the answer goes to the last sender", async () => {
    const probe = createSocket("udp4");
    probe.bind(0, "127.0.0.1");
    await once(probe, "listening");
    const rxPort = probe.address().port;
    await new Promise<void>((resolve) => probe.close(() => resolve()));
    await client.ask({ command: 26, arg1: (0x30010005 | (0x21 << 8)) >>> 0, arg2: rxPort, arg3: 0 });
    await until(() => machine.boards[0]!.tags.entries[5]!.rxPort === rxPort);
    await using outside = await TestClient.open({ host: "127.0.0.1", port: rxPort });
    let answer: Buffer | undefined;
    while (answer === undefined) {
      outside.send(Uint8Array.of(7, 8, 9));
      answer = await outside.next(50);
    }
    expect([...answer]).toEqual([7, 8, 9]);
  });

  it("a request over a tag that is not in use is dropped", async () => {
    client.send(client.request({ command: 0, tag: 4 }));
    await until(() => machine.boards[0]!.counters.dropped.tagNotInUse === 1);
  });
});
