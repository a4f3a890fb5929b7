import fc from "fast-check";
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { SCPRequestPipeLine } from "../../src/connections/index.js";
import type { SpinnError } from "../../src/errors.js";
import { ReturnCode, type ScpRequestPacket } from "../../src/wire/index.js";
import { type Answer, ask, echo, echoed, type Fate, MemoryChannel } from "./memory-network.js";

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

const fate = fc.oneof(
  { weight: 6, arbitrary: fc.constant<Fate>({}) },
  { weight: 2, arbitrary: fc.constant<Fate>({ lost: true }) },
  { weight: 2, arbitrary: fc.record({ delayMs: fc.integer({ min: 0, max: 40 }), copies: fc.integer({ min: 1, max: 3 }) }) },
);
const busy = fc.oneof(
  { weight: 8, arbitrary: fc.constant(0) },
  fc.constantFrom(ReturnCode.P2P_BUSY, ReturnCode.TIMEOUT, ReturnCode.P2P_TIMEOUT),
);

const schedule = fc.record({
  down: fc.array(fate, { maxLength: 60 }),
  up: fc.array(fate, { maxLength: 60 }),
  codes: fc.array(busy, { maxLength: 60 }),
  window: fc.oneof(fc.constant(null), fc.integer({ min: 1, max: 12 })),
  requests: fc.array(fc.boolean(), { minLength: 1, maxLength: 40 }), // true: may be repeated
  transfers: fc.integer({ min: 1, max: 3 }),
});

type Schedule = typeof schedule extends fc.Arbitrary<infer T> ? T : never;

/** Runs one schedule to its end and holds it against what must be true of every schedule. */
async function hold({ down, up, codes, window, requests, transfers }: Schedule): Promise<void> {
  const executed = new Map<number, number>();
  const answer = (request: ScpRequestPacket, index: number): Answer => {
    const code = codes[index];
    // A board that answers "busy" has not executed the request; P2P_TIMEOUT leaves it open, so count that as executed.
    if (code && code !== ReturnCode.P2P_TIMEOUT) return { returnCode: code };
    executed.set(request.arg1, (executed.get(request.arg1) ?? 0) + 1);
    return code ? { returnCode: code } : echo(request);
  };
  let mostInFlight = 0;
  const transmitted = (index: number): Fate => {
    mostInFlight = Math.max(mostInFlight, pipeline.counters.inFlight);
    return down[index] ?? {};
  };
  const channel = new MemoryChannel(answer, transmitted, (index) => up[index] ?? {});
  const pipeline = new SCPRequestPipeLine(channel, { nChannels: window, nRetries: 100 });
  const ends: string[][] = requests.map(() => []);
  const wrong: string[] = [];
  const transfer = (which: number) =>
    requests.map((repeatable, i) => {
      if (i % transfers !== which) return Promise.resolve();
      return pipeline.call(ask(i, { repeatable, minReply: 4, maxReply: 4 })).then(
        (value) => {
          ends[i]!.push("answered");
          if (value !== echoed(i)) wrong.push(`${i}: ${value}`);
        },
        (error: SpinnError) => {
          ends[i]!.push(error.code);
        },
      );
    });
  const all = Promise.all([0, 1, 2].slice(0, transfers).flatMap(transfer));
  await vi.runAllTimersAsync();
  await all;
  await pipeline.finish();

  expect(wrong).toEqual([]);
  requests.forEach((repeatable, i) => {
    expect(ends[i], `request ${i} ends exactly once`).toHaveLength(1);
    if (repeatable) expect(ends[i]).toEqual(["answered"]);
    else expect(["answered", "ERR_SPINN_OUTCOME_UNKNOWN", "ERR_SPINN_RETURN_CODE"]).toContain(ends[i]![0]);
    // The network's own copies are not the pipeline's doing: a request sent once may be executed as often as the network copied it.
    const sent = channel.requests.filter((request) => request.arg1 === i);
    if (!repeatable) {
      const refused = sent.filter((request) => codes[channel.requests.indexOf(request)]).length;
      expect(sent.length, `request ${i} must not be repeated`).toBeLessThanOrEqual(1 + refused);
    }
  });
  const counters = pipeline.counters;
  expect(mostInFlight).toBeLessThanOrEqual(window ?? 8);
  expect(counters.sent).toBe(channel.requests.length);
  expect(counters.sent).toBe(requests.length + counters.resent);
  expect(counters.succeeded + counters.failed).toBe(requests.length);
  expect(counters.inFlight).toBe(0);
  expect(counters.resent).toBeLessThanOrEqual(counters.timeouts + counters.earlyRepeats + counters.retryCodeResent);
  expect(vi.getTimerCount()).toBe(0);
}

it("every schedule of loss, delay, copies and busy codes: nothing wrong, nothing twice, nothing forgotten", async () => {
  await fc.assert(fc.asyncProperty(schedule, hold), { numRuns: 400 });
}, 60_000);
