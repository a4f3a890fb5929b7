import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { EIEIOConnection, TokenBucket } from "../../../src/connections/index.js";
import { CoreState, Signal } from "../../../src/machine/index.js";
import { EventSender, LiveEvents, liveTag } from "../../../src/services/stream/index.js";
import { liveEvents, SimulatedMachine } from "../../../src/simulator/index.js";
import { Transceiver } from "../../../src/transceiver/index.js";
import { TestClient, until } from "../../simulator/client.js";
import { udpPort } from "./udp.js";

const TAG = 2;

/** A load table that runs what follows it. */
function image(): Uint8Array {
  return new Uint8Array(new Uint32Array([2, 0, 0x20, 32, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]).buffer);
}

describe("a simulated board", () => {
  let machine: SimulatedMachine;
  let client: TestClient;

  beforeEach(async () => {
    machine = await SimulatedMachine.start({ board: "spin3", port: 0, timeScale: 0, programs: () => liveEvents({ tag: TAG, prefix: 0 }) });
    client = await TestClient.open(machine.boards[0]!.address);
    await client.write(0x67800000, image());
    await client.ask({ command: 19, arg1: 0x1e000002 });
    await until(async () => (await client.read(0xe5007000 + 128 + 46, 1))[0] === 7);
  });

  afterEach(async () => {
    await client.close();
    await machine.close();
  });

  test("events go in by SDP and by reverse tag, and come back live through the tag of our own socket", async () => {
    const board = machine.boards[0]!.address;
    const own = await EIEIOConnection.open();
    await using live = await LiveEvents.open(own, { setTag: liveTag(own, board.host, TAG, { port: board.port }) });
    const bucket = new TokenBucket(127, 50_000);
    const wrapped = new EventSender(own, { host: board.host, port: board.port, core: { x: 0, y: 0, p: 1 } }, bucket);
    const keys = Array.from({ length: 1000 }, (_, i) => i);
    await wrapped.send(keys);
    const seen: number[] = [];
    const steps: number[] = [];
    const read = async (count: number): Promise<void> => {
      while (seen.length < count) {
        const frame = await live.getFrame();
        seen.push(...frame.keys.subarray(0, frame.count));
        steps.push(frame.step!);
        expect(frame.late).toBe(false);
      }
    };
    await read(1000);
    expect(seen).toEqual(keys);
    expect(steps).toEqual([...steps].sort((a, b) => a - b));

    // The reverse tag: whatever comes to that UDP port of the board goes to core 1, port 1.
    await using spare = await udpPort(board.host);
    const reversePort = spare.port;
    await spare.close();
    const set = await client.ask({ command: 26, arg1: 0x20010000 | (0x21 << 8) | 4, arg2: reversePort, arg3: 0 });
    expect(set.returnCode).toBe(0x80);
    const reverse = new EventSender(own, { host: board.host, port: reversePort }, bucket, { keyBits: 32 });
    await reverse.send([0xdeadbeef, 5]);
    await read(1002);
    expect(seen.slice(1000)).toEqual([0xdeadbeef, 5]);
    expect(live.stats).toMatchObject({ dropped: 0, malformed: 0 });
    expect(live.stats.sources).toMatchObject([{ address: board.host, events: 1002, late: 0 }]);
  });

  test("an application that can wait is paused at the high mark and goes on at the low one: nothing is lost", async () => {
    const board = machine.boards[0]!.address;
    await using transceiver = await Transceiver.connect(board);
    const own = await EIEIOConnection.open();
    await using live = await LiveEvents.open(own, {
      setTag: liveTag(own, board.host, TAG, { port: board.port }),
      frames: 64,
      hold: {
        pause: () => transceiver.sendSignal(Signal.PAUSE, { appId: 30 }),
        resume: () => transceiver.sendSignal(Signal.CONT, { appId: 30 }),
      },
    });
    const sender = new EventSender(own, { host: board.host, port: board.port, core: { x: 0, y: 0, p: 1 } }, new TokenBucket(1, 2000));
    let sent = 0;
    const isFull = new Promise<void>((resolve) => {
      void (async () => {
        for (; !live.paused; sent += 1) await sender.send([sent]);
        resolve();
      })();
    });
    await isFull;
    expect(live.stats).toMatchObject({ pauses: 1, resumes: 0, droppedEvents: 0 });
    expect((await client.read(0xe5007000 + 128 + 46, 1))[0]).toBe(CoreState.PAUSE);
    const seen: number[] = [];
    while (seen.length < sent) {
      const frame = await live.getFrame();
      seen.push(...frame.keys.subarray(0, frame.count));
    }
    expect(seen).toEqual(Array.from({ length: sent }, (_, i) => i));
    await until(async () => (await client.read(0xe5007000 + 128 + 46, 1))[0] === CoreState.RUN);
    expect(live.stats).toMatchObject({ pauses: 1, resumes: 1, holdFailures: 0, droppedEvents: 0 });
  });
});
