// A 48-chip board from the mains on by a script: a slow BMP, loss on the way, a reboot or an interrupt at any step, and the same script again.
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { bringup, devicesOver, runBringup } from "../../dist/bringup/index.js";
import { SimulatedMachine } from "../../dist/simulator/index.js";
import { doublesRequests, drawFaults, isWild, machineFaults } from "./faults.mjs";
import { bytesOf } from "./random.mjs";
import { Witness } from "./witness.mjs";

const IMAGE = new URL("../../fixtures/bringup/simulated.boot", import.meta.url).pathname;
const ADDRESS = 0x60310000;

export function draw(random) {
  // The boot ROM acknowledges nothing: what is lost to it is seen when nothing comes up, and the image is sent again.
  const faults = drawFaults(random, 2).filter(({ kind, way }) => kind !== "cramped" && !(kind === "duplicate" && way === "toBoard"));
  const operations = Array.from({ length: random.int(1, 3) }, (_, slot) => ({
    slot,
    chip: `${random.int(0, 4)},${random.int(0, 3)}`,
    length: random.int(1, 3000),
    seed: random.seed(),
  }));
  const events = [];
  if (random.chance(0.5)) events.push({ kind: random.pick(["abort", "reboot", "power cut"]), at: random.int(1, 6) });
  return { bmpDelayMs: random.pick([0, 0, 20, 80]), faults, operations, events };
}

export async function play(schedule, { host, watch, count }) {
  const { faults, operations, events } = schedule;
  const failures = [];
  const folder = await mkdtemp(join(tmpdir(), "spinnkit-campaign-"));
  const machine = await SimulatedMachine.start({
    host,
    port: 0,
    booted: false,
    powered: false,
    timeScale: 0.01,
    seed: schedule.seed,
    faults: { ...machineFaults(faults), bmpDelayMs: schedule.bmpDelayMs },
  });
  if (schedule.bmpDelayMs > 0) count("slow BMP");
  const witness = new Witness(schedule.seed, 0);
  const over = devicesOver(witness.open);
  const quick = { packetTimeoutMs: 60, nRetries: 8 };
  const devices = {
    connect: (options) => over.connect({ ...options, ...quick }),
    connectBmp: (options) => over.connectBmp(options),
    boot: (image, options) => over.boot(image, { ...options, packetsPerSecond: 5000, settleMs: 20, readyMs: 400 }),
  };
  const steps = [{ power: { state: "on", settle: "1ms" } }, { boot: { image: IMAGE, settle: "20ms", version: 5 } }];
  try {
    for (const { slot, chip, length, seed } of operations) {
      const file = join(folder, `in-${slot}.bin`);
      await writeFile(file, bytesOf(seed, length));
      steps.push({ write: { at: chip, address: ADDRESS + slot * 0x10000, file } });
      steps.push({ read: { at: chip, address: ADDRESS + slot * 0x10000, size: length, file: `out-${slot}.bin` } });
    }
    const bmp = machine.bmps[0].address;
    const { port } = machine.boards[0].address;
    const board = { host, port, bootPort: machine.bootAddress.port, bmp: bmp.host, bmpPort: bmp.port };
    const script = bringup({ board, steps }, { folder });
    let hurt = false;
    const run = async (again) => {
      const abort = new AbortController();
      const options = {
        devices,
        outputFolder: folder,
        statePath: join(folder, "state.json"),
        signal: abort.signal,
        onProgress: (event) => {
          if (event.type !== "step-start" || again) return;
          for (const { kind, at } of events) {
            if (at !== event.step) continue;
            hurt = true;
            count(kind);
            setImmediate(() => {
              if (kind === "abort") abort.abort();
              else if (kind === "reboot") machine.reset();
              else machine.setPower(false);
            });
          }
        },
      };
      try {
        return { report: await runBringup(script, options) };
      } catch (error) {
        if (!error.code?.startsWith("ERR_SPINN_")) failures.push(`bring-up ended undocumented: ${error.stack}`);
        return { error };
      }
    };
    const first = await watch("the bring-up", run(false));
    if (first.error !== undefined && !hurt && !isWild(faults)) failures.push(`bring-up failed under mild faults: ${first.error.message}`);
    machine.setFaults({});
    // Whatever happened: on a quiet network the same script from its beginning must bring the board up.
    const last = first.error === undefined ? first : await watch("the bring-up after it", run(true));
    if (last.error !== undefined) failures.push(`bring-up failed on a quiet network: ${last.error.message}`);
    if (last.error === undefined && (last !== first || !isWild(faults))) {
      for (const { slot, seed, length } of operations)
        if (Buffer.compare(await readFile(join(folder, `out-${slot}.bin`)), bytesOf(seed, length)) !== 0)
          failures.push(`bring-up: step of operation ${slot} brought other bytes back`);
    }
    if (!doublesRequests(faults)) failures.push(...witness.broken);
  } finally {
    await watch("the machine's close", machine.close());
    await rm(folder, { recursive: true, force: true });
  }
  if (witness.channels !== 0) failures.push(`${witness.channels} channels are open after the bring-up`);
  return failures;
}
