import * as board from "./board-scene.mjs";
import { Random } from "./random.mjs";

/** Scenes, and how often of a hundred each is played. */
const SCENES = { board: { ...board, weight: 100 } };
const HANG_MS = 30_000;

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
  process.on("unhandledRejection", stray);
  process.on("uncaughtException", stray);
  try {
    failures.push(...(await SCENES[schedule.scene].play(schedule, { host, watch, count })));
  } catch (error) {
    failures.push(`the schedule itself: ${error.stack}`);
  }
  failures.push(...(await leaked(before)));
  process.off("unhandledRejection", stray);
  process.off("uncaughtException", stray);
  return failures;
}

/** Cuts a failing schedule down: leaves out operations, faults and events one by one while it still fails. */
export async function shrink(schedule, options) {
  let smallest = schedule;
  let tries = 0;
  for (let again = true; again; ) {
    again = false;
    for (const list of ["events", "operations", "faults"]) {
      for (let i = (smallest[list]?.length ?? 0) - 1; i >= 0 && tries < 200; i -= 1) {
        const smaller = { ...smallest, [list]: smallest[list].filter((_, at) => at !== i) };
        tries += 1;
        if ((await playSchedule(smaller, options)).length === 0) continue;
        smallest = smaller;
        again = true;
      }
    }
  }
  return smallest;
}
