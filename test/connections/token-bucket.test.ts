import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { TokenBucket } from "../../src/connections/index.js";

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  expect(vi.getTimerCount()).toBe(0);
  vi.useRealTimers();
});

it("starts full, refills continuously, never above its capacity", () => {
  const bucket = new TokenBucket(10, 100);
  expect(bucket.tryConsume(10)).toBe(true);
  expect(bucket.tryConsume(1)).toBe(false);
  vi.advanceTimersByTime(25);
  expect(bucket.tokens).toBeCloseTo(2.5);
  vi.advanceTimersByTime(10_000);
  expect(bucket.tokens).toBe(10);
});

it("gives no double burst after an idle time", () => {
  const bucket = new TokenBucket(10, 100);
  vi.advanceTimersByTime(10_000);
  expect(bucket.tryConsume(10)).toBe(true);
  expect(bucket.tryConsume(1)).toBe(false);
});

it("serves waiting consumers first come, first served, large before small", async () => {
  const bucket = new TokenBucket(10, 100);
  bucket.tryConsume(10);
  const order: string[] = [];
  const started = performance.now();
  const note = (name: string) => () => order.push(`${name} ${Math.round(performance.now() - started)}`);
  const all = [bucket.consume(10).then(note("ten")), bucket.consume(1).then(note("one")), bucket.consume(5).then(note("five"))];
  expect(bucket.waiting).toBe(3);
  expect(bucket.tryConsume(1)).toBe(false);
  await vi.runAllTimersAsync();
  await Promise.all(all);
  expect(order).toEqual(["ten 100", "one 110", "five 160"]);
});

it("does not wait when told not to", async () => {
  const bucket = new TokenBucket(1, 1);
  expect(await bucket.consume(1, { block: false })).toBe(true);
  expect(await bucket.consume(1, { block: false })).toBe(false);
});

it("refuses what would never come", async () => {
  const bucket = new TokenBucket(4, 1);
  await expect(bucket.consume(5)).rejects.toMatchObject({ code: "ERR_SPINN_ARGUMENT" });
  expect(() => bucket.tryConsume(0)).toThrow(/above 0/);
  expect(() => new TokenBucket(1, 0)).toThrow(/fill rate/);
  expect(() => new TokenBucket(Number.NaN, 1)).toThrow(/capacity/);
});

it("an aborted wait leaves its place to the next", async () => {
  const bucket = new TokenBucket(10, 100);
  bucket.tryConsume(10);
  const abort = new AbortController();
  const big = bucket.consume(10, { signal: abort.signal });
  const small = bucket.consume(1);
  abort.abort();
  await expect(big).rejects.toMatchObject({ code: "ERR_SPINN_ABORTED" });
  await vi.advanceTimersByTimeAsync(10);
  expect(await small).toBe(true);
  await expect(bucket.consume(1, { signal: abort.signal })).rejects.toMatchObject({ code: "ERR_SPINN_ABORTED" });
});

it("keeps its rate over a long run", async () => {
  const bucket = new TokenBucket(5, 1000);
  const started = performance.now();
  const run = (async () => {
    for (let i = 0; i < 1005; i += 1) await bucket.consume(1);
  })();
  await vi.runAllTimersAsync();
  await run;
  expect(performance.now() - started).toBeGreaterThanOrEqual(999);
  expect(performance.now() - started).toBeLessThan(1100);
});
