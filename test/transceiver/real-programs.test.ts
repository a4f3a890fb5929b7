import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { ArmMachine, armProgram } from "../../src/emulator/index.js";
import { CoreState, Signal } from "../../src/machine/index.js";
import { applicationImage } from "./application-image.js";
import { simulate } from "./simulated.js";

const application = (name: string): Uint8Array => readFileSync(new URL(`../../fixtures/apps/${name}.aplx`, import.meta.url));
const emulated = () => armProgram({ machine: new ArmMachine(), speed: Number.POSITIVE_INFINITY });

describe.each(["4.0.0", "3.4.1"])("programs that really run, with SC&MP %s:", (scamp) => {
  const block = scamp === "4.0.0" ? 1 : 2;

  it("hello is loaded on every chip, waits, runs, and has said and written what it should", async () => {
    await using setup = await simulate(`127.49.${block}.1`, { board: "spin3", scamp, programs: emulated() });
    const { transceiver } = setup;
    const { machine } = await transceiver.discover();
    const cores = [...machine.chips.values()].flatMap(({ x, y }) => [1, 2].map((p) => ({ x, y, p })));
    for (const core of cores) await transceiver.writeCoreField(core, "user1", 7);
    await transceiver.load(application("hello"), cores, { appId: 30, wait: true });
    await transceiver.sendSignal(Signal.START, { appId: 30 });
    await transceiver.waitForCores(cores, [CoreState.EXIT], { appId: 30, pollMs: 5, timeoutMs: 10_000 });
    const texts = await transceiver.readIobufs(cores);
    for (const { x, y, p, text } of texts) {
      expect(text).toContain(`hello from core ${p} of chip ${x},${y}\n`);
      const status = await transceiver.readCoreStatus({ x, y, p });
      expect(status).toMatchObject({ state: CoreState.EXIT, appId: 30, appName: "hello" });
      const [table, , length, sum] = status.user;
      const bytes = await transceiver.readMemory({ x, y }, table!, 4 * length!);
      const words = new Uint32Array(bytes.buffer, bytes.byteOffset, length);
      expect(words.reduce((xor, word) => xor ^ word, 0) >>> 0).toBe(sum);
    }
    await transceiver.stop(30);
    expect(await transceiver.readApplication(30)).toEqual([]);
  });

  it("one that goes wrong ends the wait, with the core and the reason", async () => {
    await using setup = await simulate(`127.49.${block + 2}.1`, { board: "spin3", scamp, programs: emulated() });
    const { transceiver } = setup;
    await transceiver.discover();
    const core = { x: 1, y: 1, p: 3 };
    await transceiver.writeCoreField(core, "user1", 4);
    await transceiver.load(application("faulty"), [core], { appId: 31, wait: true });
    await transceiver.sendSignal(Signal.START, { appId: 31 });
    const wait = transceiver.waitForCount(1, [CoreState.EXIT], { appId: 31, pollMs: 5, timeoutMs: 10_000 });
    await expect(wait).rejects.toMatchObject({
      code: "ERR_SPINN_STATE",
      message: expect.stringMatching(/1 core crashed: core 1,1,3: RTE \(UNDEF: .*app 31 "faulty"/),
    });
  });

  it("one that is none of a program does not go unnoticed", async () => {
    await using setup = await simulate(`127.49.${block + 4}.1`, { board: "spin3", scamp, programs: emulated() });
    const { transceiver } = setup;
    await transceiver.discover();
    const load = transceiver.load(applicationImage(600), [{ x: 0, y: 1, p: 5 }], { appId: 32, refills: 0, verifyMs: 300 });
    await expect(load).rejects.toMatchObject({ code: "ERR_SPINN_LOAD", message: expect.stringContaining("core 0,1,5") });
  });
});
