import { expect, it } from "vitest";
import { paced } from "../../src/transceiver/power-pace.js";

it("serves one command at a time per BMP, several BMPs side by side", async () => {
  const running = new Map<string, number>();
  let most = 0;
  let tell = (): void => undefined;
  const sideBySide = new Promise<void>((resolve) => {
    tell = resolve;
  });
  const command = (bmp: string) => async () => {
    running.set(bmp, (running.get(bmp) ?? 0) + 1);
    most = Math.max(most, running.get(bmp)!);
    if ([...running.values()].filter((count) => count > 0).length === 2) tell();
    // Nobody gets further until a command of the other BMP has begun too.
    await sideBySide;
    running.set(bmp, running.get(bmp)! - 1);
    return bmp;
  };
  const bmps = ["frame-a", "frame-a", "frame-b", "frame-a", "frame-b"];
  expect(await Promise.all(bmps.map((bmp) => paced(bmp, undefined, command(bmp))))).toEqual(bmps);
  expect(most).toBe(1);
});

it("a failure is the caller's, and the next command goes on", async () => {
  await expect(paced("frame-c", undefined, () => Promise.reject(new Error("no supply")))).rejects.toThrow("no supply");
  expect(await paced("frame-c", undefined, () => Promise.resolve(7))).toBe(7);
});

it("a command aborted while it waits is never sent", async () => {
  const abort = new AbortController();
  let open: (() => void) | undefined;
  const first = paced("frame-d", undefined, () => {
    return new Promise<void>((resolve) => {
      open = resolve;
    });
  });
  let sent = false;
  const second = paced("frame-d", abort.signal, () => {
    sent = true;
    return Promise.resolve();
  });
  abort.abort();
  await expect(second).rejects.toMatchObject({ code: "ERR_SPINN_ABORTED" });
  await expect.poll(() => open).toBeDefined();
  open!();
  await first;
  await paced("frame-d", undefined, () => Promise.resolve());
  expect(sent).toBe(false);
  await expect(async () => paced("frame-d", abort.signal, () => Promise.resolve())).rejects.toMatchObject({ code: "ERR_SPINN_ABORTED" });
});
