// Random schedules of work and faults over the whole stack against simulated machines; see README.md here.
//   node tools/campaign/campaign.mjs [--schedules 500] [--seed 1] [--from 0] [--seconds N] [--workers 8] [--only K] [--json]
import { fork } from "node:child_process";
import { availableParallelism } from "node:os";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { drawSchedule, playSchedule, shrink } from "./schedule.mjs";

const { values } = parseArgs({
  options: {
    schedules: { type: "string", default: "500" },
    seed: { type: "string", default: "1" },
    from: { type: "string", default: "0" },
    seconds: { type: "string" },
    workers: { type: "string", default: String(4 * availableParallelism()) },
    only: { type: "string" },
    json: { type: "boolean", default: false },
    worker: { type: "string" },
  },
});
const whole = (name) => {
  const value = Number(values[name]);
  if (Number.isInteger(value) && value >= 0 && value <= 0xffffffff) return value;
  console.error(`campaign: --${name} must be a whole number from 0 on, not ${values[name]}`);
  process.exit(2);
};
const seed = whole("seed");

/** Plays one schedule and tells what came of it. */
async function one(index, host) {
  const counts = {};
  const count = (name, by = 1) => {
    counts[name] = (counts[name] ?? 0) + by;
  };
  const schedule = drawSchedule(seed, index);
  const began = performance.now();
  const failures = await playSchedule(schedule, { host, count });
  const tookMs = performance.now() - began;
  const smallest = failures.length > 0 ? await shrink(schedule, failures, { host }) : undefined;
  return { index, scene: schedule.scene, faults: schedule.faults.map(({ kind }) => kind), counts, failures, smallest, tookMs };
}

if (values.worker !== undefined) {
  // Whoever gave the schedules has gone.
  process.on("disconnect", () => process.exit());
  process.on("message", async (index) => {
    process.channel.ref();
    process.send(await one(index, `127.${60 + (Number(values.worker) % 60)}.77.1`));
  });
} else if (values.only !== undefined) {
  const result = await one(whole("only"), "127.0.0.1");
  console.log(JSON.stringify({ schedule: drawSchedule(seed, result.index), ...result }, null, 2));
  process.exitCode = result.failures.length === 0 ? 0 : 1;
} else {
  const from = whole("from");
  const total = whole("schedules");
  const until = values.seconds === undefined ? Number.POSITIVE_INFINITY : performance.now() + 1000 * whole("seconds");
  const began = performance.now();
  const sums = { schedules: 0, scenes: {}, faults: {}, counts: {}, slowest: { tookMs: 0 }, failures: [] };
  const add = (sum, name, by) => {
    sum[name] = (sum[name] ?? 0) + by;
  };
  let next = from;
  const work = Array.from({ length: Math.max(1, Math.min(whole("workers"), total)) }, (_, number) => {
    const child = fork(fileURLToPath(import.meta.url), ["--worker", `${number}`, "--seed", `${seed}`]);
    return new Promise((resolve) => {
      const feed = () => {
        if (next < from + total && performance.now() < until) child.send(next++);
        else child.disconnect();
      };
      child.on("message", ({ index, scene, faults, counts, failures, smallest, tookMs }) => {
        if (tookMs > sums.slowest.tookMs) sums.slowest = { index, scene, tookMs: Math.round(tookMs) };
        sums.schedules += 1;
        add(sums.scenes, scene, 1);
        for (const kind of faults) add(sums.faults, kind, 1);
        for (const [name, by] of Object.entries(counts)) add(sums.counts, name, by);
        if (failures.length > 0) {
          sums.failures.push({ index, failures, smallest });
          console.error(`schedule ${index} of seed ${seed} (${scene}) failed; again: npm run campaign -- --seed ${seed} --only ${index}`);
          for (const failure of failures) console.error(`  ${failure}`);
          console.error(`  smallest that fails: ${JSON.stringify(smallest)}`);
        }
        feed();
      });
      child.on("exit", (code) => {
        if (code !== 0) sums.failures.push({ failures: [`worker ${number} ended with ${code}`] });
        resolve();
      });
      feed();
    });
  });
  await Promise.all(work);
  const seconds = Number(((performance.now() - began) / 1000).toFixed(1));
  if (values.json) console.log(JSON.stringify({ seed, seconds, ...sums }));
  else {
    const list = (sum) =>
      Object.entries(sum)
        .map(([name, number]) => `${name} ${number}`)
        .join(", ");
    console.log(
      `${sums.schedules} schedules of seed ${seed} in ${seconds} s (${(sums.schedules / seconds).toFixed(0)}/s), ${sums.failures.length} failed`,
    );
    console.log(`scenes: ${list(sums.scenes)}`);
    console.log(`schedules with each fault: ${list(sums.faults)}`);
    console.log(`slowest: ${JSON.stringify(sums.slowest)}`);
    console.log(`seen: ${list(sums.counts)}`);
  }
  process.exitCode = sums.failures.length === 0 ? 0 : 1;
}
