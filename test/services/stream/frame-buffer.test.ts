import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { SpinnError } from "../../../src/errors.js";
import { type BufferedFrame, FrameBuffer, type FrameBufferOptions, IMDFrameBuffer } from "../../../src/services/stream/index.js";
import { fixtures } from "./imd-fixtures.js";

interface Box extends BufferedFrame {
  value: number;
}

const box = (slot: number): Box => ({ slot, sequence: 0, value: -1 });
const make = (count: number, options: FrameBufferOptions = {}): FrameBuffer<Box> => new FrameBuffer(count, box, options);
const END = new SpinnError("ERR_SPINN_END_OF_STREAM", "EOF");

/** Puts one frame in; `false` when there is no room. */
function put(buffer: FrameBuffer<Box>, value: number): boolean {
  const frame = buffer.takeEmpty();
  if (frame === undefined) return false;
  frame.value = value;
  buffer.push(frame);
  return true;
}

describe("marks", () => {
  test.each(fixtures.watermarks)(
    "$frames_in_buffer frames, $pause_empty_proportion / $unpause_empty_proportion as imdclient",
    async (mark) => {
      const buffer = make(mark.frames_in_buffer, {
        pauseEmptyProportion: mark.pause_empty_proportion,
        unpauseEmptyProportion: mark.unpause_empty_proportion,
      });
      let paused = false;
      buffer.onHigh = () => {
        paused = true;
      };
      buffer.onLow = () => {
        paused = false;
      };
      buffer.begin();
      for (let i = 0; !paused; i += 1) put(buffer, i);
      expect(buffer.stats.full).toBe(mark.pause_sent_when_full_reaches);
      expect(buffer.stats).toMatchObject({ full: mark.then_full, empty: mark.then_empty });
      let gets = 0;
      while (paused) {
        gets += 1;
        // The get that finds nothing (N = 1, or u = 1) still gives its frame back.
        if (buffer.tryGet() === undefined) break;
      }
      expect(gets).toBe(mark.resume_sent_on_get_number);
      expect(paused).toBe(false);
    },
  );

  test("unpause at or below pause: RESUME follows PAUSE at once and the buffer fills all the same", () => {
    const buffer = make(4, { pauseEmptyProportion: 1, unpauseEmptyProportion: 0 });
    const calls: string[] = [];
    buffer.onHigh = () => calls.push("pause");
    buffer.onLow = () => calls.push("resume");
    buffer.begin();
    for (let i = 0; i < 4; i += 1) put(buffer, i);
    expect(calls).toEqual(Array(5).fill(["pause", "resume"]).flat());
    expect(buffer.stats).toMatchObject({ full: 4, empty: 0, highs: 5 });
  });

  test.each(fixtures.frame_memory)("$atoms atoms, $blocks: frames in 10 MiB", ({ version, atoms, blocks, ...expected }) => {
    const has = (letter: string): boolean => blocks.includes(letter);
    const session = {
      version,
      byteOrder: "little" as const,
      time: has("t"),
      energies: has("e"),
      box: has("b"),
      positions: has("x"),
      wrapped: false,
      velocities: has("v"),
      forces: has("f"),
    };
    if (expected.frames_in_10MiB === 0) {
      expect(() => new IMDFrameBuffer(session, atoms)).toThrow(/holds no frame/);
      try {
        new IMDFrameBuffer(session, atoms);
      } catch (error) {
        expect((error as SpinnError).hint).toContain(String(expected.frame_memory));
      }
    } else {
      const buffer = new IMDFrameBuffer(session, atoms);
      expect(buffer.layout.frameBytes).toBe(expected.frame_memory);
      expect(buffer.layout.wireBytes).toBe(expected.wire_bytes);
      expect(buffer.stats.frames).toBe(expected.frames_in_10MiB);
    }
  });
});

describe("borrowing", () => {
  test("a get gives back the frame before it, and frames are reused", async () => {
    const buffer = make(2);
    put(buffer, 1);
    put(buffer, 2);
    const first = await buffer.get();
    expect([first.value, buffer.isOnLoan(first), buffer.stats.onLoan]).toEqual([1, true, 1]);
    const second = await buffer.get();
    expect([second.value, buffer.isOnLoan(first), buffer.stats.onLoan]).toEqual([2, false, 1]);
    put(buffer, 3);
    const third = await buffer.get();
    expect(third).toBe(first);
    expect(third.sequence).toBe(2);
  });

  test("explicit: frames stay until they are given back, and only once", async () => {
    const buffer = make(2, { lease: "explicit" });
    put(buffer, 1);
    put(buffer, 2);
    const first = await buffer.get();
    const second = await buffer.get();
    expect(buffer.stats).toMatchObject({ onLoan: 2, empty: 0 });
    await expect(buffer.get()).rejects.toMatchObject({ code: "ERR_SPINN_ARGUMENT", message: /on loan/ });
    buffer.release(first);
    expect(() => buffer.release(first)).toThrow(/it is empty/);
    put(buffer, 3);
    expect(second.value).toBe(2);
    expect((await buffer.get()).value).toBe(3);
  });

  test("a frame of another buffer is refused, and so is one that was never lent", () => {
    const buffer = make(2);
    const stranger = box(0);
    expect(() => buffer.release(stranger)).toThrow(/another buffer/);
    expect(() => buffer.push(stranger)).toThrow(/another buffer/);
    const frame = buffer.takeEmpty()!;
    expect(() => buffer.release(frame)).toThrow(/being filled/);
    buffer.untake(frame);
    expect(() => buffer.push(frame)).toThrow(/it is empty/);
    expect(buffer.stats.empty).toBe(2);
  });

  test("a waiting get is served by the next frame; two at once are refused", async () => {
    const buffer = make(2);
    const waiting = buffer.get();
    await expect(buffer.get()).rejects.toThrow(/another get/);
    put(buffer, 7);
    expect((await waiting).value).toBe(7);
    expect(buffer.stats).toMatchObject({ consumerWaits: 1, taken: 1, full: 0 });
  });

  test("a get can be aborted, and the buffer goes on", async () => {
    const buffer = make(2);
    const abort = new AbortController();
    const waiting = buffer.get({ signal: abort.signal });
    abort.abort(new Error("enough"));
    await expect(waiting).rejects.toMatchObject({ code: "ERR_SPINN_ABORTED" });
    await expect(buffer.get({ signal: abort.signal })).rejects.toMatchObject({ code: "ERR_SPINN_ABORTED" });
    put(buffer, 1);
    expect((await buffer.get()).value).toBe(1);
  });

  test("the frame that was shown is the next one, whatever is given back before it is taken; it counts as empty until then", () => {
    const buffer = make(3, { lease: "explicit" });
    put(buffer, 1);
    const lent = buffer.tryGet()!;
    const shown = buffer.peekEmpty();
    expect(buffer.stats.empty).toBe(2);
    buffer.release(lent);
    expect(buffer.stats.empty).toBe(3);
    expect(buffer.peekEmpty()).toBe(shown);
    expect(buffer.takeEmpty()).toBe(shown);
    expect(buffer.takeEmpty()).toBe(lent);
    expect(buffer.takeEmpty()).toBeDefined();
    expect(buffer.peekEmpty()).toBeUndefined();
  });

  test("frames are made when they are first needed, and only once", async () => {
    let made = 0;
    const buffer = new FrameBuffer(1000, (slot) => {
      made += 1;
      return box(slot);
    });
    for (let i = 0; i < 100; i += 1) {
      put(buffer, i);
      await buffer.get();
    }
    expect(made).toBe(2);
  });

  test("wrong arguments", () => {
    expect(() => make(0)).toThrow(/number of frames/);
    expect(() => make(1, { pauseEmptyProportion: 1.5 })).toThrow(/pauseEmptyProportion/);
    expect(() => make(1, { unpauseEmptyProportion: Number.NaN })).toThrow(/unpauseEmptyProportion/);
  });
});

describe("the end", () => {
  test("what waits can still be read, then the reason is thrown, again and again", async () => {
    const buffer = make(4);
    put(buffer, 1);
    put(buffer, 2);
    buffer.finish(END);
    buffer.finish(new SpinnError("ERR_SPINN_TIMEOUT", "later"));
    expect((await buffer.get()).value).toBe(1);
    expect((await buffer.get()).value).toBe(2);
    await expect(buffer.get()).rejects.toBe(END);
    await expect(buffer.get()).rejects.toBe(END);
    expect(buffer.stats).toMatchObject({ onLoan: 0, empty: 4 });
  });

  test("a frame that was being filled at the end goes back unread", async () => {
    const buffer = make(2);
    const frame = buffer.takeEmpty()!;
    buffer.finish(END);
    buffer.push(frame);
    await expect(buffer.get()).rejects.toBe(END);
    expect(buffer.stats.empty).toBe(2);
  });

  test("for await ends quietly at the end of the stream and throws otherwise", async () => {
    const quiet = make(4);
    put(quiet, 1);
    put(quiet, 2);
    const seen: number[] = [];
    setImmediate(() => {
      put(quiet, 3);
      quiet.finish(END);
    });
    for await (const frame of quiet) seen.push(frame.value);
    expect(seen).toEqual([1, 2, 3]);
    const loud = make(1);
    loud.finish(new SpinnError("ERR_SPINN_INCOMPLETE", "cut"));
    await expect(
      (async () => {
        for await (const frame of loud) seen.push(frame.value);
      })(),
    ).rejects.toMatchObject({ code: "ERR_SPINN_INCOMPLETE" });
  });

  test("leaving the loop gives the frame back", async () => {
    const buffer = make(2);
    put(buffer, 1);
    for await (const frame of buffer) {
      expect(buffer.isOnLoan(frame)).toBe(true);
      break;
    }
    expect(buffer.stats).toMatchObject({ onLoan: 0, empty: 2 });
  });
});

describe("overflow", () => {
  test("block: the source finds no frame, and hears of space once", async () => {
    const buffer = make(2, { overflow: "block" });
    let spaces = 0;
    buffer.onSpace = () => {
      spaces += 1;
    };
    buffer.onHigh = () => expect.unreachable("block never pauses");
    expect([put(buffer, 1), put(buffer, 2), put(buffer, 3)]).toEqual([true, true, false]);
    expect(put(buffer, 3)).toBe(false);
    await buffer.get();
    expect(spaces).toBe(0);
    await buffer.get();
    expect(spaces).toBe(1);
    expect(buffer.stats).toMatchObject({ sourceWaits: 1, dropped: 0 });
  });

  test("drop-oldest: the newest frames stay, sequence numbers show the gap", async () => {
    const buffer = make(3, { overflow: "drop-oldest" });
    for (let i = 0; i < 10; i += 1) expect(put(buffer, i)).toBe(true);
    expect(buffer.stats).toMatchObject({ dropped: 7, pushed: 10, full: 3 });
    const got = [await buffer.get(), await buffer.get(), await buffer.get()].map((frame) => [frame.value, frame.sequence]);
    expect(got).toEqual([
      [7, 7],
      [8, 8],
      [9, 9],
    ]);
  });

  test("drop-oldest never takes a frame on loan", async () => {
    const buffer = make(2, { overflow: "drop-oldest" });
    put(buffer, 0);
    const held = await buffer.get();
    for (let i = 1; i < 6; i += 1) put(buffer, i);
    expect([held.value, held.sequence]).toEqual([0, 0]);
    expect((await buffer.get()).value).toBe(5);
  });

  test("drop-newest: the source drops, and it is counted", async () => {
    const buffer = make(2, { overflow: "drop-newest" });
    put(buffer, 0);
    put(buffer, 1);
    expect(put(buffer, 2)).toBe(false);
    buffer.drop();
    expect((await buffer.get()).sequence).toBe(0);
    expect((await buffer.get()).sequence).toBe(1);
    put(buffer, 3);
    expect((await buffer.get()).sequence).toBe(3);
    expect(buffer.stats).toMatchObject({ dropped: 1, sourceWaits: 0 });
  });
});

test("any walk keeps every frame in exactly one place and never loses order", () => {
  const policy = fc.constantFrom("pause", "block", "drop-oldest", "drop-newest" as const);
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 6 }),
      policy,
      fc.boolean(),
      fc.array(fc.nat(3), { maxLength: 80 }),
      (size, overflow, explicit, walk) => {
        const buffer = make(size, { overflow, lease: explicit ? "explicit" : "previous" });
        const filling: Box[] = [];
        const held: Box[] = [];
        let next = 0;
        let last = -1;
        for (const step of walk) {
          if (step === 0) {
            const frame = buffer.takeEmpty();
            if (frame !== undefined) filling.push(frame);
          } else if (step === 1) {
            const frame = filling.shift();
            if (frame !== undefined) {
              frame.value = next;
              next += 1;
              buffer.push(frame);
            }
          } else if (step === 2) {
            if (!explicit) held.length = 0;
            const frame = buffer.tryGet();
            if (frame !== undefined) {
              expect(frame.value).toBeGreaterThan(last);
              last = frame.value;
              held.push(frame);
            }
          } else if (explicit) {
            const frame = held.shift();
            if (frame !== undefined) buffer.release(frame);
          }
          const { empty, full, onLoan, frames, pushed, taken, dropped } = buffer.stats;
          expect(empty + full + onLoan + filling.length).toBe(frames);
          expect(onLoan).toBe(held.length);
          expect(pushed).toBe(taken + full + dropped);
        }
      },
    ),
  );
});
