import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { Controller } from "../../src/controller/index.js";
import { Observer } from "../../src/controller/observer.js";
import { SimulatedMachine } from "../../src/simulator/index.js";

interface Published {
  readonly chips: Readonly<Record<string, { readonly core_count: number }>>;
  readonly network: Readonly<Record<string, number>> | null;
  readonly sensors: Readonly<Record<string, { readonly temperature_top: number }>>;
}

describe("a controller that is observed", () => {
  it("publishes the machine, what its connections do, and sensors; nothing when nobody looks", async () => {
    await using machine = await SimulatedMachine.start({ host: "127.93.1.1", port: 0, timeScale: 0.01 });
    const { host, port } = machine.boards[0]!.address;
    await using controller = new Controller({ host, port, bmp: machine.bmps[0]?.address });
    const state = (): Published => controller.notifier.rawView as Published;
    let isWatching = false;
    const end = controller.observe(() => isWatching, 10);
    await new Promise((resolve) => setTimeout(resolve, 60));
    expect(state()).toMatchObject({ chips: {}, network: null, sensors: {} });
    isWatching = true;
    await expect.poll(() => Object.keys(state().chips).length).toBe(48);
    expect(state().chips["0,0"]).toMatchObject({ core_count: 18 });
    await expect.poll(() => state().network).toMatchObject({ connections: 1 });
    expect(state().network!["sent"]).toBeGreaterThan(40);
    await expect.poll(() => state().sensors["0"]?.temperature_top).toBeGreaterThan(10);
    end();
  });

  it("leaves a board alone while it boots or is brought up, and asks it during other runs", async () => {
    await using machine = await SimulatedMachine.start({ board: "spin3", host: "127.93.2.1", port: 0, timeScale: 0.01 });
    await using controller = new Controller({ ...machine.boards[0]!.address });
    const chips = (): number => Object.keys((controller.notifier.rawView as Published).chips).length;
    controller.observe(() => true, 10);
    const bringup = controller.start(
      "bringup",
      (run) => new Promise((resolve) => run.signal.addEventListener("abort", () => resolve(null))),
    );
    await new Promise((resolve) => setTimeout(resolve, 60));
    expect(chips()).toBe(0);
    const soak = controller.start("soak", (run) => new Promise((resolve) => run.signal.addEventListener("abort", () => resolve(null))));
    bringup.idict.terminate();
    await expect.poll(chips).toBe(4);
    soak.idict.terminate();
  });
});

describe("looking", () => {
  beforeEach(() => void vi.useFakeTimers());
  afterEach(() => void vi.useRealTimers());

  it("asks at the pace of the one who wants it fastest, and never twice at once", async () => {
    let asked = 0;
    let answer: () => void = () => {};
    const observer = new Observer({
      sample: () => {},
      refresh: () => {
        asked += 1;
        return new Promise((resolve) => {
          answer = resolve;
        });
      },
      sensors: async () => {
        throw new Error("no BMP");
      },
    });
    observer.add(() => true, 500);
    const end = observer.add(() => true, 100);
    await vi.advanceTimersByTimeAsync(350);
    expect(asked).toBe(1);
    answer();
    // It took 250 ms, so it rests four times as long.
    await vi.advanceTimersByTimeAsync(900);
    expect(asked).toBe(1);
    await vi.advanceTimersByTimeAsync(200);
    expect(asked).toBe(2);
    answer();
    await vi.advanceTimersByTimeAsync(300);
    expect(asked).toBe(3);
    answer();
    end();
    await vi.advanceTimersByTimeAsync(450);
    expect(asked).toBe(3);
    await vi.advanceTimersByTimeAsync(100);
    expect(asked).toBe(4);
    observer.close();
    answer();
    await vi.advanceTimersByTimeAsync(5000);
    expect(asked).toBe(4);
  });
});
