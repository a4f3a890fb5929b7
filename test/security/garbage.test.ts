import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { expect, it } from "vitest";

const TOOL = fileURLToPath(new URL("../../tools/campaign/garbage.mjs", import.meta.url));

interface Report {
  readonly inputs: number;
  readonly findings: readonly unknown[];
  readonly doors: readonly { readonly door: string; readonly inputs: number; readonly outcomes: Readonly<Record<string, number>> }[];
}

/** The short form of `npm run garbage`: other seeds are for longer runs, a test is the same each time. */
it("mutated datagrams, lines and files at every door end as documented, and service goes on", { timeout: 120_000 }, async () => {
  const words = [TOOL, "--count", "7000", "--seed", "4", "--json"];
  const stdout = await new Promise<string>((resolve) => {
    execFile(process.execPath, words, { maxBuffer: 1 << 26 }, (_, text) => resolve(text));
  });
  const report = JSON.parse(stdout) as Report;
  expect(report.findings).toEqual([]);
  expect(report.inputs).toBeGreaterThan(6_900);
  expect(report.doors.length).toBeGreaterThanOrEqual(38);
  for (const { door, inputs, outcomes } of report.doors) {
    expect(inputs, door).toBeGreaterThan(0);
    expect(
      Object.values(outcomes).reduce((sum, times) => sum + times, 0),
      door,
    ).toBe(inputs);
  }
});
