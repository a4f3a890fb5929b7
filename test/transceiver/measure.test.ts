import { describe, expect, it } from "vitest";
import type { SpinnError } from "../../src/errors.js";
import { type Progress, Transceiver } from "../../src/transceiver/index.js";
import { Command } from "../../src/wire/index.js";
import { ScriptedBoard } from "./scripted-board.js";
import { simulate } from "./simulated.js";

describe("measuring", () => {
  it("tells latency, throughput by window and that nothing was lost, and only reads", async () => {
    await using board = await ScriptedBoard.start({ host: "127.47.2.1" });
    await using spinn = await Transceiver.connect({ host: board.host, port: board.port });
    const seen: Progress[] = [];
    const result = await spinn.measure({ reads: 50, windows: [1, 4], bytes: 20_000, onProgress: (progress) => seen.push(progress) });

    expect(result.board).toBe(spinn.remote);
    const { latency, throughput, loss } = result;
    expect(latency.count).toBe(50);
    const { leastMs, medianMs, p90Ms, p99Ms, mostMs } = latency;
    expect([leastMs, medianMs, p90Ms, p99Ms, mostMs]).toEqual([leastMs, medianMs, p90Ms, p99Ms, mostMs].sort((a, b) => a - b));
    expect(latency.histogram.reduce((sum, { count }) => sum + count, 0)).toBe(50);
    expect(latency.histogram[0]!.fromMs).toBeLessThanOrEqual(leastMs);
    expect(latency.histogram.at(-1)!.toMs).toBeGreaterThan(mostMs);
    for (const [i, { toMs }] of latency.histogram.slice(0, -1).entries()) expect(latency.histogram[i + 1]!.fromMs).toBe(toMs);

    expect(throughput.map(({ window, bytes }) => [window, bytes])).toEqual([
      [1, 20_000],
      [4, 20_000],
    ]);
    for (const { seconds, bytesPerSecond, requestsPerSecond } of throughput) {
      expect(bytesPerSecond * seconds).toBeCloseTo(20_000, 3);
      expect(requestsPerSecond * seconds).toBeCloseTo(79, 6);
    }
    expect(loss.busy).toBe(0);
    expect(loss.share).toBeLessThanOrEqual(0.02); // a busy computer may look like loss for a moment
    expect(seen.at(-1)).toEqual({ what: "measure", done: 52_800, total: 52_800, unit: "bytes" });
    const commands = new Set(board.requests.map(({ command }) => command));
    expect([...commands].sort()).toEqual([Command.VER, Command.READ]);
    expect(spinn.connections[0]!.pipeline.counters.sent).toBe(1);
  });

  it("sees the loss that there is", async () => {
    await using setup = await simulate("127.47.3.1", { board: "spin3", faults: { toBoard: { loseEvery: 10 } } });
    const { loss, throughput } = await setup.transceiver.measure({ reads: 30, windows: [8], bytes: 100_000 });
    expect(loss.timeouts + loss.overtaken).toBeGreaterThan(30);
    expect(loss.share).toBeGreaterThan(0.05);
    expect(loss.share).toBeLessThan(0.15);
    expect(throughput[0]!.resent).toBeGreaterThan(20);
  });

  it("sees busy codes", async () => {
    let count = 0;
    await using board = await ScriptedBoard.start({ host: "127.47.4.1" });
    await using spinn = await Transceiver.connect({ host: board.host, port: board.port });
    board.script = () => {
      count += 1;
      return count % 20 === 0 ? { code: 0x8d } : "default";
    };
    const { loss } = await spinn.measure({ reads: 40, windows: [2], bytes: 4096 });
    expect(loss.busy).toBe(Math.floor(count / 20));
  });

  it("ends with its signal and refuses nonsense", async () => {
    await using board = await ScriptedBoard.start({ host: "127.47.5.1" });
    await using spinn = await Transceiver.connect({ host: board.host, port: board.port });
    const stop = new AbortController();
    const code = (error: unknown) => (error as SpinnError).code;
    const aborted = spinn.measure({ signal: stop.signal, onProgress: () => stop.abort() });
    expect(await aborted.catch(code)).toBe("ERR_SPINN_ABORTED");
    expect(await spinn.measure({ windows: [0] }).catch(code)).toBe("ERR_SPINN_ARGUMENT");
    expect(await spinn.measure({ bytes: 1e9 }).catch(code)).toBe("ERR_SPINN_ARGUMENT");
    expect(await spinn.measure({ reads: 0 }).catch(code)).toBe("ERR_SPINN_ARGUMENT");
  });
});
