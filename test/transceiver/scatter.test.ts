import { createSocket, type Socket } from "node:dgram";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { TokenBucket } from "../../src/connections/index.js";
import type { MemoryRange } from "../../src/transceiver/index.js";
import { type Setup, simulate } from "./simulated.js";

/** Stands in front of one board and holds its replies back while `holding`. */
class Relay {
  holding = false;
  #held: (() => void)[] = [];
  readonly #front: Socket;
  readonly #back: Socket;

  private constructor(front: Socket, back: Socket) {
    this.#front = front;
    this.#back = back;
  }

  static async start(host: string, board: { readonly host: string; readonly port: number }): Promise<Relay> {
    const front = createSocket("udp4");
    const back = createSocket("udp4");
    await new Promise<void>((resolve) => front.bind(0, host, resolve));
    await new Promise<void>((resolve) => back.connect(board.port, board.host, resolve));
    const relay = new Relay(front, back);
    let client = { port: 0, address: "" };
    front.on("message", (datagram, { port, address }) => {
      client = { port, address };
      back.send(datagram);
    });
    back.on("message", (datagram) => {
      const pass = (): void => front.send(datagram, client.port, client.address);
      if (relay.holding) relay.#held.push(pass);
      else pass();
    });
    return relay;
  }

  get port(): number {
    return this.#front.address().port;
  }

  release(): void {
    this.holding = false;
    for (const pass of this.#held.splice(0)) pass();
  }

  close(): void {
    this.#front.close();
    this.#back.close();
  }
}

const relayHost = "127.47.7.99";
/** Large enough for all tests, and it refills so slowly that what is missing has been taken. */
const tokenBucket = new TokenBucket(100_000, 0.001);
let setup: Setup;
let relay: Relay;

beforeAll(async () => {
  setup = await simulate("127.47.7.1", { board: { triads: [1, 1] } }, { tokenBucket });
  relay = await Relay.start(relayHost, setup.machine.boards[1]!.address);
  const second = setup.machine.boards[1]!.address.host;
  const { problems } = await setup.transceiver.discover({
    locate: ({ ip }) => (ip === second ? { host: relayHost, port: relay.port } : { host: ip }),
  });
  expect(problems).toEqual([]);
  expect(setup.transceiver.connections).toHaveLength(3);
});
afterAll(async () => {
  await setup[Symbol.asyncDispose]();
  relay.close();
});

/** Two chips of each of the three boards. */
const chips = [
  [0, 0],
  [1, 1],
  [4, 8],
  [5, 9],
  [8, 4],
  [9, 5],
] as const;
const onSlow = (x: number): boolean => x === 4 || x === 5;
const ranges: MemoryRange[] = chips.map(([x, y], i) => ({ x, y, address: 0x60240000 + 4 * i, length: 3000 + i }));
const contents = ranges.map(({ length }, i) => Uint8Array.from({ length }, (_, k) => (k * 31 + i * 17) & 255));

it("gather and scatter: a slow board holds up nobody else", async () => {
  const { transceiver } = setup;
  await transceiver.writeMany(ranges.map((range, i) => ({ ...range, data: contents[i]! })));
  relay.holding = true;
  const quick = ranges.filter(({ x }) => !onSlow(x)).reduce((sum, { length }) => sum + length, 0);
  let doneWhileHeld = 0;
  const read = await transceiver.readMany(ranges, {
    onProgress: ({ done }) => {
      if (relay.holding) doneWhileHeld = done;
      if (done === quick) relay.release(); // comes only if the quick boards end while the slow one says nothing
    },
  });
  expect(read).toEqual(contents);
  expect(doneWhileHeld).toBe(quick);
});

it("saves and restores ranges of all boards in one file, resumed after one board failed", async () => {
  const { transceiver } = setup;
  const folder = await mkdtemp(join(tmpdir(), "spinn-scatter-"));
  try {
    const path = join(folder, "all.bin");
    await transceiver.saveMemory(ranges, path, { blockBytes: 512, verify: true });
    expect(new Uint8Array(await readFile(path))).toEqual(new Uint8Array(Buffer.concat(contents)));
    for (const range of ranges) await transceiver.fillMemory(range, range.address, range.length, 0);

    const stop = new AbortController();
    relay.holding = true;
    const quickBlocks = ranges.filter(({ x }) => !onSlow(x)).reduce((sum, { length }) => sum + length, 0);
    const broken = transceiver.restoreMemory(ranges, path, {
      blockBytes: 512,
      resume: true,
      signal: stop.signal,
      onProgress: ({ done }) => {
        if (done === quickBlocks) stop.abort();
      },
    });
    await expect(broken).rejects.toMatchObject({ code: "ERR_SPINN_ABORTED" });
    relay.release();
    const { resumedBytes, totalBytes } = await transceiver.restoreMemory(ranges, path, { blockBytes: 512, resume: true, verify: true });
    expect(resumedBytes).toBe(quickBlocks);
    expect(totalBytes).toBe(contents.reduce((sum, { length }) => sum + length, 0));
    expect(await transceiver.readMany(ranges)).toEqual(contents);
  } finally {
    await rm(folder, { recursive: true });
  }
});

it("one token bucket serves all connections of a session", async () => {
  const { transceiver } = setup;
  const sent = (): number => transceiver.connections.reduce((sum, { pipeline }) => sum + pipeline.counters.sent, 0);
  await transceiver.readMany(ranges);
  for (const { pipeline } of transceiver.connections) expect(pipeline.counters.sent).toBeGreaterThan(24);
  expect(Math.round(100_000 - tokenBucket.tokens)).toBe(sent());
});
