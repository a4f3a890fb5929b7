import * as board from "./board-scene.mjs";
import * as bringup from "./bringup-scene.mjs";
import * as controller from "./controller-scene.mjs";
import { Random } from "./random.mjs";
import * as stream from "./stream-scene.mjs";

/** Scenes, and how often of a hundred each is played. */
const SCENES = {
  board: { ...board, weight: 65 },
  bringup: { ...bringup, weight: 5 },
  controller: { ...controller, weight: 15 },
  stream: { ...stream, weight: 15 },
};
// A board that falls silent is asked request after request, each with its retries: that is slow, and no hang.
const HANG_MS = 120_000;

/** The schedule with this number in the campaign of a seed. Plain data: print it, cut it down, play it again. */
export function drawSchedule(seed, index) {
  const random = new Random((Math.imul(seed, 0x9e3779b1) ^ Math.imul(index + 1, 0x85ebca6b)) >>> 0);
  let left = random.next() * Object.values(SCENES).reduce((sum, { weight }) => sum + weight, 0);
  const scene = Object.keys(SCENES).find((name) => {
    left -= SCENES[name].weight;
    return left < 0;
  });
  return { index, scene, seed: random.seed(), ...SCENES[scene].draw(random) };
}

const resources = () => {
  const counts = {};
  for (const name of process.getActiveResourcesInfo()) counts[name] = (counts[name] ?? 0) + 1;
  return counts;
};

/** What is there now and was not before. Closing takes the loop some turns, so it is asked for up to half a second. */
async function leaked(before) {
  let left = [];
  for (let tries = 0; tries < 60; tries += 1) {
    const now = resources();
    left = Object.keys(now).filter((name) => now[name] > (before[name] ?? 0));
    if (left.length === 0) return [];
    // The wait is itself a timer: it is over when the next look is taken.
    await new Promise((resolve) => setTimeout(() => setImmediate(resolve), tries < 10 ? 0 : 10));
  }
  const now = resources();
  return left.map((name) => `${now[name] - (before[name] ?? 0)} ${name} left behind`);
}

/** Plays a schedule. Resolves with what was wrong, in words; with nothing when all was as it must be. */
export async function playSchedule(schedule, { host = "127.0.0.1", count = () => {} } = {}) {
  // Both are opened when they are first used: not in the midst of a schedule, where they would look like something left behind.
  void [process.stdout, process.stderr];
  const before = resources();
  const failures = [];
  const watch = async (what, work) => {
    let timer;
    const late = new Promise((_, reject) => {
      timer = setTimeout(() => reject(new Error(`${what}: still not ended after ${HANG_MS / 1000} s`)), HANG_MS);
    });
    try {
      return await Promise.race([work, late]);
    } finally {
      clearTimeout(timer);
    }
  };
  const stray = (error) => failures.push(`nobody took: ${error?.stack ?? error}`);
  const warned = (warning) => failures.push(`warning: ${warning.message}`);
  process.on("warning", warned);
  process.on("unhandledRejection", stray);
  process.on("uncaughtException", stray);
  try {
    failures.push(...(await SCENES[schedule.scene].play(schedule, { host, watch, count })));
  } catch (error) {
    failures.push(`the schedule itself: ${error.stack}`);
  }
  failures.push(...(await leaked(before)));
  process.off("warning", warned);
  process.off("unhandledRejection", stray);
  process.off("uncaughtException", stray);
  return failures;
}

/** The kind of a failure: its words without numbers and places. */
const kindOf = (failures) =>
  failures[0]
    ?.split("\n")[0]
    .replaceAll(/[\d.,:]+/g, "")
    .slice(0, 60);

/** Cuts a failing schedule down: leaves out operations, faults and events one by one while it still fails in the same way. */
export async function shrink(schedule, failures, options) {
  const kind = kindOf(failures);
  let smallest = schedule;
  let tries = 0;
  for (let again = true; again; ) {
    again = false;
    for (const list of ["events", "operations", "faults"]) {
      for (
        let i = (smallest[list]?.length ?? 0) - 1;
        i >= (list === "operations" && smallest[list].length === 1 ? 1 : 0) && tries < 60;
        i -= 1
      ) {
        const smaller = { ...smallest, [list]: smallest[list].filter((_, at) => at !== i) };
        tries += 1;
        if (kindOf(await playSchedule(smaller, options)) !== kind) continue;
        smallest = smaller;
        again = true;
      }
    }
  }
  return smallest;
}
