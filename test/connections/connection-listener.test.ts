import { expect, it, vi } from "vitest";
import { ConnectionListener, type Listenable } from "../../src/connections/index.js";

class Source implements Listenable<number> {
  readonly receivers = new Set<(message: number) => void>();
  onMessage(receiver: (message: number) => void): () => void {
    this.receivers.add(receiver);
    return () => this.receivers.delete(receiver);
  }
  emit(...messages: number[]): void {
    for (const message of messages) for (const receiver of this.receivers) receiver(message);
  }
}

/** A callback whose runs end when the test says so. */
function gate() {
  const running: (() => void)[] = [];
  const started: number[] = [];
  return {
    started,
    callback: (message: number) => {
      started.push(message);
      return new Promise<void>((resolve) => running.push(resolve));
    },
    openAll: () => {
      for (const open of running.splice(0)) open();
    },
  };
}

const turn = () => new Promise<void>((resolve) => setImmediate(resolve));

it("calls every callback with each message, in order of arrival, at most nProcesses at a time", async () => {
  const source = new Source();
  const listener = new ConnectionListener(source, { nProcesses: 2 });
  const slow = gate();
  const seen: number[] = [];
  listener.addCallback(slow.callback);
  listener.start();
  listener.start();
  source.emit(1, 2, 3);
  await turn();
  expect(slow.started).toEqual([1, 2]);
  expect(listener.counters).toMatchObject({ running: 2, waiting: 1 });
  const remove = listener.addCallback((message) => seen.push(message));
  slow.openAll();
  await turn();
  expect(slow.started).toEqual([1, 2, 3]);
  source.emit(4);
  await turn();
  expect(seen).toEqual([]); // both places are taken by the slow one
  slow.openAll();
  await turn();
  expect(seen).toEqual([4]);
  remove();
  source.emit(5);
  slow.openAll();
  await turn();
  slow.openAll();
  await turn();
  slow.openAll();
  await listener.close();
  expect(seen).toEqual([4]);
  expect(slow.started).toEqual([1, 2, 3, 4, 5]);
  expect(source.receivers.size).toBe(0);
});

it("with one place keeps the order", async () => {
  const source = new Source();
  const seen: number[] = [];
  await using listener = new ConnectionListener(source, { nProcesses: 1 });
  listener.addCallback(async (message) => {
    await turn();
    seen.push(message);
  });
  listener.start();
  const many = Array.from({ length: 50 }, (_, i) => i);
  source.emit(...many);
  await vi.waitFor(() => expect(seen.length).toBe(50));
  expect(seen).toEqual(many);
});

it("a callback that throws or rejects is reported and hurts nobody else", async () => {
  const source = new Source();
  const errors: unknown[] = [];
  const seen: number[] = [];
  await using listener = new ConnectionListener(source, { onError: (error) => errors.push((error as Error).message) });
  listener.addCallback(() => {
    throw new Error("thrown");
  });
  listener.addCallback(() => Promise.reject(new Error("rejected")));
  listener.addCallback((message) => seen.push(message));
  listener.start();
  source.emit(1, 2);
  await vi.waitFor(() => expect(listener.counters.failed).toBe(4));
  expect(seen).toEqual([1, 2]);
  expect(errors.sort()).toEqual(["rejected", "rejected", "thrown", "thrown"]);
  expect(listener.counters).toMatchObject({ received: 2, handled: 2, failed: 4 });
});

it.each([
  ["oldest", [1, 4, 5]],
  ["newest", [1, 2, 3]],
] as const)("a full queue drops the %s and counts it", async (overflow, kept) => {
  const source = new Source();
  const listener = new ConnectionListener(source, { nProcesses: 1, queueLimit: 2, overflow });
  const slow = gate();
  listener.addCallback(slow.callback);
  listener.start();
  source.emit(1);
  await turn();
  source.emit(2, 3, 4, 5);
  expect(listener.counters.dropped).toBe(2);
  for (let i = 0; i < 3; i += 1) {
    await turn();
    slow.openAll();
  }
  await listener.close();
  expect(slow.started).toEqual(kept);
});

it("close drops what waits, waits for what runs, and works from inside a callback", async () => {
  const source = new Source();
  const listener = new ConnectionListener(source, { nProcesses: 1 });
  const slow = gate();
  let closed = false;
  listener.addCallback(slow.callback);
  listener.start();
  source.emit(1, 2, 3);
  await turn();
  const closing = listener.close().then(() => {
    closed = true;
  });
  await turn();
  expect(closed).toBe(false);
  slow.openAll();
  await closing;
  expect(slow.started).toEqual([1]);
  expect(listener.counters.dropped).toBe(2);
  expect(() => listener.start()).toThrow(/has been closed/);

  const other = new ConnectionListener(source);
  const inside = new Promise<void>((resolve) => {
    other.addCallback(async () => {
      await other.close();
      resolve();
    });
  });
  other.start();
  source.emit(9);
  await inside;
});

it("counts what comes before the first callback, and callbacks that stall", async () => {
  vi.useFakeTimers();
  try {
    const source = new Source();
    const listener = new ConnectionListener(source, { timeoutMs: 50 });
    listener.start();
    source.emit(1);
    const slow = gate();
    listener.addCallback(slow.callback);
    source.emit(2);
    await vi.advanceTimersByTimeAsync(60);
    expect(listener.counters).toMatchObject({ dropped: 1, stalled: 1, running: 1 });
    slow.openAll();
    await listener.close();
    expect(vi.getTimerCount()).toBe(0);
  } finally {
    vi.useRealTimers();
  }
});

it("refuses nonsense", () => {
  expect(() => new ConnectionListener(new Source(), { nProcesses: 0 })).toThrow(/nProcesses/);
});
