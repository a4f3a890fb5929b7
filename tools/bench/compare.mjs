// The project's figures beside those of its peers, all in one run: prints a table of ratios, the bar each must reach and whether it does.
//   npm run bench -- [--rounds 5] [--only speed,loss] [--quick] [--json]
//                    [--board PATH] [--client PATH] [--spinnman FOLDER]
// --board, --client, --spinnman (or SPINN_BENCH_BOARD, SPINN_BENCH_CLIENT, SPINN_BENCH_SPINNMAN): a board stand-in (-H -p -s -D -i -o -l -b),
// a C client (-H -p -w -n -o -t), the folder with checkouts of SpiNNMan, SpiNNUtils and SpiNNMachine. What is missing is said.
// --quick: one round over a quarter of the data. A full run takes some ten minutes; close other programs.
import { tmpdir } from "node:os";
import { parseArgs } from "node:util";
import { measures } from "./measures.mjs";
import { Peers } from "./peers.mjs";

const { values } = parseArgs({
  options: {
    rounds: { type: "string" },
    only: { type: "string" },
    quick: { type: "boolean", default: false },
    json: { type: "boolean", default: false },
    board: { type: "string", default: process.env.SPINN_BENCH_BOARD },
    client: { type: "string", default: process.env.SPINN_BENCH_CLIENT },
    spinnman: { type: "string", default: process.env.SPINN_BENCH_SPINNMAN },
  },
});
const rounds = Number(values.rounds ?? (values.quick ? 1 : 5));
if (!Number.isInteger(rounds) || rounds < 1) fail(`--rounds must be a whole number above 0, not ${values.rounds}`);
const names = values.only?.split(",") ?? measures.map(({ name }) => name);
const unknown = names.filter((name) => !measures.some((measure) => measure.name === name));
if (unknown.length > 0) fail(`no measure is called ${unknown.join(", ")}; there are ${measures.map(({ name }) => name).join(", ")}`);

const chosen = measures.filter(({ name }) => names.includes(name));
const peers = new Peers(values);
for (const line of peers.missing) console.error(`bench: ${line}`);
// A board that was stopped on purpose would outlive an interrupted run.
for (const [name, status] of [
  ["SIGINT", 130],
  ["SIGTERM", 143],
]) {
  process.once(name, () => peers.close().finally(() => process.exit(status)));
}
const samples = new Map(chosen.map(({ name }) => [name, []]));
const failures = new Map();
try {
  for (let round = 1; round <= rounds; round += 1) {
    for (const measure of chosen) {
      console.error(`bench: round ${round} of ${rounds}: ${measure.name}`);
      const settings = { scale: values.quick ? 0.25 : 1, seed: round, folder: tmpdir() };
      try {
        samples.get(measure.name).push(await measure.sample(peers, settings));
      } catch (error) {
        failures.set(measure.name, String(error.stderr || error.message).trim());
      }
    }
  }
} finally {
  await peers.close();
}

const rows = chosen.flatMap((measure) => measure.rows.map((row) => judge(measure, row)));
if (values.json) console.log(JSON.stringify({ node: process.version, rounds, quick: values.quick, missing: peers.missing, rows }, null, 2));
else print(rows);
for (const [name, message] of failures) console.error(`bench: ${name} failed: ${message}`);
process.exitCode = failures.size > 0 ? 1 : 0;

/** The median sample of a row, held against its bar. */
function judge(measure, row) {
  const taken = samples
    .get(measure.name)
    .map((sample) => ({ sample, value: row.value(sample) }))
    .filter(({ value }) => value !== undefined)
    .sort((a, b) => a.value - b.value);
  const middle = taken[(taken.length - 1) >> 1];
  if (middle === undefined) return { measure: measure.name, what: row.what, bar: row.bar.text, result: "not measured" };
  return {
    measure: measure.name,
    what: row.what,
    value: Number(middle.value.toPrecision(4)),
    ...(row.unit === undefined ? {} : { unit: row.unit }),
    lowest: Number(taken[0].value.toPrecision(4)),
    highest: Number(taken.at(-1).value.toPrecision(4)),
    bar: row.bar.text,
    result: row.bar.met(middle.value) ? "met" : "not met",
    detail: row.detail(middle.sample),
  };
}

function print(table) {
  const figure = ({ value, unit = "" }) => (value === undefined ? "-" : `${value} ${unit}`.trim());
  const spread = ({ lowest, highest }) => (lowest === undefined ? "-" : `${lowest} to ${highest}`);
  const lines = [
    ["what", "figure", "bar", "", "of the median round", "lowest to highest"],
    ...table.map((row) => [row.what, figure(row), row.bar, row.result, row.detail ?? "-", spread(row)]),
  ];
  const widths = lines[0].map((_, column) => Math.max(...lines.map((line) => line[column].length)));
  for (const line of lines)
    console.log(
      line
        .map((cell, column) => cell.padEnd(widths[column]))
        .join("  ")
        .trimEnd(),
    );
}

function fail(message) {
  console.error(`bench: ${message}`);
  process.exit(2);
}
