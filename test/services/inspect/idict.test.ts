import { describe, expect, it } from "vitest";
import { SpinnError } from "../../../src/errors.js";
import { IDict, runWith, type Update } from "../../../src/services/inspect/index.js";

const until = async (condition: () => boolean): Promise<void> => {
  while (!condition()) await new Promise((resolve) => setImmediate(resolve));
};

const errorOf = (work: () => unknown): Promise<SpinnError> =>
  (async () => work())().then(
    () => {
      throw new Error("it did not fail");
    },
    (error: unknown) => error as SpinnError,
  );

describe("values", () => {
  it("are seen by others once published, and as they were then", () => {
    const list = [1, 2];
    const idict = new IDict({ a: 1, list }, { minIntervalMs: 0 });
    idict.set("a", 2);
    expect(idict.snapshot.a).toBe(1);
    expect(idict.notifyUpdate()).toBe(1);
    list.push(3);
    expect(idict.snapshot).toEqual({ a: 2, list: [1, 2] });
    idict.set("list", list);
    idict.notifyUpdate();
    expect(idict.snapshot.list).toEqual([1, 2, 3]);
    expect(() => (idict.snapshot.list as number[]).push(4)).toThrow(TypeError);
    idict.delete("a");
    idict.notifyUpdate();
    expect(idict.snapshot).toEqual({ list: [1, 2, 3] });
  });

  it("that cannot be sent are named with their path, and the others go out", () => {
    const idict = new IDict<Record<string, unknown>>({ good: 1 }, { minIntervalMs: 0, maxValueBytes: 100 });
    const loop: Record<string, unknown> = {};
    loop["self"] = loop;
    idict.set("bad", { list: [0, { f: () => 1 }] });
    idict.set("loop", loop);
    idict.set("big", new Float64Array(100));
    idict.set("good", 2);
    idict.notifyUpdate();
    const { good, bad, big, loop: seen } = idict.snapshot as Record<string, Record<string, unknown>>;
    expect(good).toBe(2);
    expect(bad!["$unavailable"]).toMatch(/^bad\.list\[1\]\.f /);
    expect(seen!["$unavailable"]).toMatch(/^loop\.self\.self.* holds itself/);
    expect(big!["$large"]).toBe(808);
  });

  it("go out merged: the newest wins and what was skipped is counted", async () => {
    const idict = new IDict({ n: 0 }, { minIntervalMs: 20 });
    const updates: Update<{ n: number }>[] = [];
    idict.addCallback((update) => updates.push(update));
    for (let n = 1; n <= 1000; n += 1) {
      idict.set("n", n);
      idict.notifyUpdate();
    }
    await until(() => updates.at(-1)?.values.n === 1000);
    expect(idict.run.seq).toBeLessThanOrEqual(3);
    expect(idict.run.skipped).toBeGreaterThan(900);
    idict.set("n", -1);
    const seq = idict.notifyUpdate({ final: true });
    expect(idict.run).toMatchObject({ seq, final: true, state: "done" });
    expect(idict.snapshot.n).toBe(-1);
    await idict.finished;
    expect(updates.at(-1)).toMatchObject({ seq, final: true, values: { n: -1 } });
    expect((await errorOf(() => idict.notifyUpdate())).code).toBe("ERR_SPINN_CLOSED");
  });

  it("do not go out with a change of the run alone", () => {
    const idict = new IDict({ n: 0 }, { minIntervalMs: 0 });
    idict.set("n", 1);
    idict.pause();
    expect(idict.run.paused_by).toEqual(["local"]);
    expect(idict.snapshot.n).toBe(0);
  });
});

describe("the lock", () => {
  it("makes several changes one, and undoes those of work that fails", async () => {
    const idict = new IDict({ a: 0, b: 0 }, { minIntervalMs: 0 });
    let go = (): void => {};
    const update = idict.update(async (draft) => {
      draft.a = 1;
      await new Promise<void>((resolve) => {
        go = resolve;
      });
      draft.b = 1;
    });
    await until(() => idict.lock.holder !== undefined);
    idict.notifyUpdate();
    expect(idict.snapshot).toEqual({ a: 0, b: 0 });
    go();
    await update;
    idict.notifyUpdate();
    expect(idict.snapshot).toEqual({ a: 1, b: 1 });
    const failed = idict.update((draft) => {
      draft.a = 9;
      throw new Error("odd");
    });
    expect((await errorOf(() => failed)).message).toBe("odd");
    expect(idict.values).toEqual({ a: 1, b: 1 });
    expect(idict.lock.holder).toBeUndefined();
  });

  it("turns misuse into errors that name the holder", async () => {
    const idict = new IDict({ a: 0 });
    const within = await errorOf(() => idict.update(() => idict.notifyUpdate(), { owner: "soak" }));
    expect(within).toMatchObject({ code: "ERR_SPINN_STATE", message: expect.stringContaining("inside the update of soak") as string });
    const twice = await errorOf(() => idict.update(() => idict.update(() => {}), { owner: "soak" }));
    expect(twice).toMatchObject({ code: "ERR_SPINN_STATE", message: expect.stringContaining("of soak") as string });
    const held = await idict.lock.acquire({ owner: "plotter" });
    expect((await errorOf(() => idict.notifyUpdate())).message).toMatch(/held by plotter \(for/);
    const late = await errorOf(() => idict.lock.acquire({ owner: "writer", timeoutMs: 5 }));
    expect(late).toMatchObject({ code: "ERR_SPINN_TIMEOUT", message: expect.stringMatching(/^writer .*held by plotter/) as string });
    const aborted = new AbortController();
    const waiting = errorOf(() => idict.lock.acquire({ signal: aborted.signal }));
    aborted.abort();
    expect((await waiting).code).toBe("ERR_SPINN_ABORTED");
    const order: number[] = [];
    const first = idict.lock.run(() => void order.push(1));
    const second = idict.lock.run(() => void order.push(2));
    held.release();
    held.release();
    await Promise.all([first, second]);
    expect(order).toEqual([1, 2]);
  });
});

describe("callbacks", () => {
  it("that throw every time disappear after three updates", async () => {
    const idict = new IDict({ n: 0 }, { minIntervalMs: 0 });
    let calls = 0;
    const bad = (): never => {
      calls += 1;
      throw new Error(`odd ${calls}`);
    };
    idict.addCallback(bad, { name: "plot" });
    for (let n = 1; idict.callbacks.size > 0; n += 1) {
      idict.set("n", n);
      idict.notifyUpdate();
      await new Promise((resolve) => setImmediate(resolve));
    }
    expect(calls).toBe(3);
    await until(() => idict.run.errors.length > 0 && idict.run.errors[0]!.removed);
    expect(idict.run.errors).toEqual([{ callback: "plot", count: 3, message: "odd 3", removed: true }]);
    expect(idict.notifyUpdate({ final: true })).toBeGreaterThan(3);
    await idict.finished;
  });

  it("that stall hold nobody up: one call at a time, and the end does not wait for ever", async () => {
    const idict = new IDict({ n: 0 }, { minIntervalMs: 0, finalBudgetMs: 20 });
    let calls = 0;
    idict.callbacks.add(() => {
      calls += 1;
      return new Promise(() => {});
    });
    for (let n = 1; n <= 10; n += 1) {
      idict.set("n", n);
      idict.notifyUpdate();
      await idict.wait();
      await new Promise((resolve) => setImmediate(resolve));
    }
    await until(() => calls === 1);
    idict.notifyUpdate({ final: true });
    await idict.finished;
    expect(calls).toBe(1);
    expect(idict.snapshot.n).toBe(10);
  });

  it("get the last update, also when one was under way", async () => {
    const idict = new IDict({ n: 0 }, { minIntervalMs: 0 });
    const seen: number[] = [];
    let go = (): void => {};
    const remove = idict.addCallback(() => {});
    remove();
    idict.addCallback(async ({ values }) => {
      seen.push(values.n);
      if (seen.length === 1) {
        await new Promise<void>((resolve) => {
          go = resolve;
        });
      }
    });
    idict.set("n", 1);
    idict.notifyUpdate();
    await until(() => seen.length === 1);
    idict.set("n", 2);
    idict.notifyUpdate({ final: true });
    go();
    await idict.finished;
    expect(seen).toEqual([1, 2]);
  });
});

describe("the safe point", () => {
  it("is passed at once, unless somebody has paused", async () => {
    const idict = new IDict({}, { minIntervalMs: 0 });
    expect(await idict.wait()).toMatchObject({ pausedMs: 0, changed: [], terminated: false });
    idict.pause("me");
    let passed = false;
    const waiting = idict.wait().then((point) => {
      passed = true;
      return point;
    });
    await until(() => idict.run.state === "paused");
    expect(passed).toBe(false);
    expect(idict.run.since).toMatch(/^\d{4}-/);
    idict.resume();
    expect((await waiting).pausedMs).toBeGreaterThan(0);
    await until(() => idict.run.state === "running");
    expect(idict.run.paused_by).toEqual([]);
  });

  it("is passed so many times by a step, and after its time is up", async () => {
    const idict = new IDict({}, { minIntervalMs: 0 });
    idict.step(2);
    await idict.wait();
    await idict.wait();
    expect((await idict.wait({ timeoutMs: 5 })).pausedMs).toBeGreaterThan(0);
    const waiting = idict.wait();
    idict.step();
    await waiting;
    const aborted = new AbortController();
    const third = errorOf(() => idict.wait({ signal: aborted.signal }));
    aborted.abort();
    expect((await third).code).toBe("ERR_SPINN_ABORTED");
    expect((await errorOf(() => idict.step(0))).code).toBe("ERR_SPINN_ARGUMENT");
  });

  it("goes on when the last of several holders lets go", async () => {
    const idict = new IDict({});
    idict.pause("a", "1");
    idict.pause("b", "2");
    idict.release("1");
    expect(idict.isPaused).toBe(true);
    const waiting = idict.wait();
    idict.release("2");
    await waiting;
  });

  it("ends at once after terminate, paused or not", async () => {
    const idict = new IDict({}, { minIntervalMs: 0 });
    idict.pause();
    const waiting = idict.wait();
    idict.terminate("enough");
    idict.terminate("again");
    expect((await waiting).terminated).toBe(true);
    expect((await idict.wait()).terminated).toBe(true);
    expect(idict.signal.reason).toMatchObject({ message: "enough" });
    await until(() => idict.run.state === "stopping");
    idict.notifyUpdate({ final: true });
    expect(idict.run).toMatchObject({ state: "aborted", stop_reason: "enough" });
  });

  it("is where knobs change, by type and range", async () => {
    const idict = new IDict(
      {},
      {
        minIntervalMs: 0,
        knobs: {
          gain: { type: "float", value: 1, min: 0, max: 10, unit: "Hz" },
          mode: { type: "str", value: "fast", choices: ["fast", "exact"] },
          count: { type: "int", value: 1, min: 1 },
          on: { type: "bool", value: true },
        },
      },
    );
    idict.setKnob("gain", 2.5);
    idict.setKnob("on", false);
    expect(idict.knob("gain")).toBe(1);
    expect(idict.run.knobs["gain"]).toMatchObject({ value: 1, pending: 2.5 });
    expect((await idict.wait()).changed).toEqual(["gain", "on"]);
    const gain: number = idict.knob("gain");
    const on: boolean = idict.knob("on");
    expect([gain, on]).toEqual([2.5, false]);
    await until(() => idict.run.knobs["gain"]!.value === 2.5);
    const refused = { gain: [11, Number.NaN, "1", null], mode: ["slow", 1], count: [1.5, 0, 2n], on: [1, "true"], other: [1] };
    for (const [name, values] of Object.entries(refused)) {
      for (const value of values) expect((await errorOf(() => idict.setKnob(name, value))).code).toBe("ERR_SPINN_ARGUMENT");
    }
    expect((await errorOf(() => idict.setKnob("gain", 11))).message).toBe("knob gain takes a number from 0 to 10 Hz, not 11");
    expect(() => new IDict({}, { knobs: { n: { type: "int", value: 0, min: 1 } } })).toThrow(SpinnError);
  });

  it("gives sockets and timers their turn in a loop that never waits for anything else", async () => {
    const idict = new IDict({});
    let rang = false;
    setTimeout(() => {
      rang = true;
    }, 1);
    while (!rang) await idict.wait();
    expect(idict.state).toBe("running");
  });
});

it("a computation that throws leaves its error behind", async () => {
  const idict = new IDict({});
  const thrown = new SpinnError("ERR_SPINN_STATE", "core 1,2,3 is in RTE");
  expect(
    await errorOf(() =>
      runWith(idict, () => {
        throw thrown;
      }),
    ),
  ).toBe(thrown);
  expect(idict.run).toMatchObject({ state: "failed", final: true, error: { code: "ERR_SPINN_STATE", message: "core 1,2,3 is in RTE" } });
});
