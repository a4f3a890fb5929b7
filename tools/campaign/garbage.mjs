#!/usr/bin/env node
// Throws mutated datagrams, lines and files at every door, and tells what did not end as documented. Needs a build (`npm run build`).
//
//   npm run garbage -- [--count N] [--seed S] [--door TEXT] [--from I] [--json]
//
// --count: inputs in all, shared among the doors (default 100 000); with --door: for those whose name has TEXT. A finding names its door and
// number: `--seed S --door NAME --from I --count 1` makes that input again. Ends with 1 when there are findings.
import { parseArgs } from "node:util";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { SpinnError } from "../../dist/errors.js";
import { codecDoors } from "./garbage/codec-doors.mjs";
import { mutated, randomOf } from "./garbage/mutate.mjs";
import { socketDoors } from "./garbage/socket-doors.mjs";

const { values } = parseArgs({
  options: {
    count: { type: "string", default: "100000" },
    seed: { type: "string", default: "1" },
    door: { type: "string" },
    from: { type: "string", default: "0" },
    json: { type: "boolean", default: false },
  },
});
const [count, seed, from] = [values.count, values.seed, values.from].map(Number);
if (![count, seed, from].every(Number.isSafeInteger) || count < 1) {
  console.error("garbage: --count, --seed and --from are whole numbers");
  process.exit(2);
}

setFlagsFromString("--expose-gc");
const collect = runInNewContext("gc");
/** One input may take so long: everything is bounded by the size of what came, and that is small. */
const SLOW_MS = 1000;
/** What may stay behind a door in its second half, whatever the number of inputs: warm code, pools, tables with their bound. */
const MOST_KEPT_BYTES = 24 << 20;
const MOST_FINDINGS = 5;

const doors = [...codecDoors, ...socketDoors].filter(({ name }) => values.door === undefined || name.includes(values.door));
const shares = doors.reduce((sum, { share }) => sum + share, 0);
const findings = [];
let place = { door: "none", index: 0 };
for (const event of ["uncaughtException", "unhandledRejection"]) {
  process.on(event, (error) => findings.push({ ...place, what: `${event}: ${error?.stack ?? error}` }));
}

/** Why an error is none that the door's documentation names; `undefined` when it is. */
function undocumented(error, codes) {
  if (error instanceof AggregateError) return error.errors.map((one) => undocumented(one, codes)).find((why) => why !== undefined);
  if (error instanceof SpinnError && codes.includes(error.code)) return undefined;
  return error instanceof SpinnError ? `undocumented ${error.code}: ${error.message}` : String(error?.stack ?? error);
}

/** What an input came to, in a word. */
function outcomeOf(error) {
  if (error instanceof AggregateError) return error.taken > 0 ? "taken" : error.errors[0].code;
  return error.code;
}

function heldBytes() {
  collect();
  const { heapUsed, external, rss } = process.memoryUsage();
  return { held: heapUsed + external, rss };
}

async function attack(door) {
  const amount = Math.max(1, Math.round((count * door.share) / shares));
  const opened = door.open === undefined ? door : await door.open();
  const codes = {};
  const found = (index, bytes, what) => findings.push({ door: door.name, index, what, hex: bytes.subarray(0, 200).toString("hex") });
  const begun = performance.now();
  const start = heldBytes();
  let half = start;
  const throwAt = async (index) => {
    place = { door: door.name, index };
    const bytes = mutated(door.goldens, randomOf(seed, door.name, index));
    const at = performance.now();
    let outcome = "taken";
    try {
      const taken = opened.take(bytes, index);
      if (taken instanceof Promise) await taken;
    } catch (error) {
      const why = undocumented(error, door.codes);
      outcome = why === undefined ? outcomeOf(error) : "finding";
      if (why !== undefined) found(index, bytes, why);
    }
    codes[outcome] = (codes[outcome] ?? 0) + 1;
    const ms = performance.now() - at;
    if (ms > (door.slowMs ?? SLOW_MS)) found(index, bytes, `took ${Math.round(ms)} ms`);
  };
  let next = from;
  /** Several at a time where each has to wait for a socket. */
  const worker = async () => {
    while (next < from + amount && (codes.finding ?? 0) < MOST_FINDINGS) {
      const index = next++;
      if (index === from + (amount >> 1)) half = heldBytes();
      await throwAt(index);
    }
  };
  await Promise.all(Array.from({ length: door.width ?? 1 }, worker));
  const seconds = (performance.now() - begun) / 1000;
  // Service goes on: what is good is still served after all that was not.
  try {
    await opened.check?.();
  } catch (error) {
    findings.push({ door: door.name, index: from + amount, what: `no service afterwards: ${error?.stack ?? error}` });
  }
  const end = heldBytes();
  await opened.close?.();
  const kept = end.held - half.held;
  if (kept > MOST_KEPT_BYTES)
    findings.push({ door: door.name, index: from + amount, what: `${kept} bytes more are held after the second half` });
  const thousands = Math.max(1, amount / 2000);
  const slope = { heldBytesPerThousand: Math.round(kept / thousands), rssBytesPerThousand: Math.round((end.rss - half.rss) / thousands) };
  return { door: door.name, inputs: amount, perSecond: Math.round(amount / seconds), outcomes: codes, ...slope };
}

const results = [];
const before = heldBytes();
for (const door of doors) {
  const result = await attack(door);
  results.push(result);
  if (values.json) continue;
  const outcomes = Object.entries(result.outcomes).map(([code, times]) => `${code.replace("ERR_SPINN_", "").toLowerCase()} ${times}`);
  const memory = `${result.heldBytesPerThousand} B held, ${result.rssBytesPerThousand} B resident per 1000`;
  console.log(
    `${result.door.padEnd(28)} ${String(result.inputs).padStart(8)} ${String(result.perSecond).padStart(8)}/s  ${outcomes.join(", ")}; ${memory}`,
  );
}
// What a door has thrown late comes before this.
await new Promise((resolve) => setTimeout(resolve, 50));
const inputs = results.reduce((sum, one) => sum + one.inputs, 0);
const total = { inputs, seed, findings: findings.length, rssBefore: before.rss, rssAfter: heldBytes().rss };
if (values.json) console.log(JSON.stringify({ ...total, findings, doors: results }));
else {
  for (const { door, index, what, hex } of findings)
    console.log(`FINDING ${door} --seed ${seed} --from ${index}: ${what}${hex ? `\n  ${hex}` : ""}`);
  console.log(
    `${inputs} inputs, seed ${seed}, ${findings.length} findings; resident ${before.rss >> 20} MiB before, ${total.rssAfter >> 20} MiB after`,
  );
}
process.exitCode = findings.length > 0 ? 1 : 0;
