import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";

const CAMPAIGN = fileURLToPath(new URL("../../tools/campaign/campaign.mjs", import.meta.url));

interface Ended {
  readonly status: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** The campaign in a process of its own: what is left behind there was left behind by it. */
function campaign(...args: string[]): Promise<Ended> {
  return new Promise((resolve) => {
    execFile(process.execPath, [CAMPAIGN, ...args], (error, stdout, stderr) => {
      resolve({ status: error === null ? 0 : Number(error.code), stdout, stderr });
    });
  });
}

describe("a short campaign", () => {
  it("as many of 500 schedules as 12 s allow: nothing wrong, nothing twice, nothing left", async () => {
    const { status, stdout, stderr } = await campaign("--seed", "11", "--schedules", "500", "--seconds", "12", "--json");
    expect(stderr).toBe("");
    const sums = JSON.parse(stdout) as { schedules: number; scenes: Record<string, number>; counts: Record<string, number> };
    console.log(`${sums.schedules} schedules: ${JSON.stringify(sums.scenes)}`);
    expect(status).toBe(0);
    expect(sums.schedules).toBeGreaterThan(20);
    expect(sums.counts["sent"]).toBeGreaterThan(sums.schedules);
  }, 60_000);

  it("plays one schedule again, and says which", async () => {
    const { status, stdout } = await campaign("--seed", "11", "--only", "3");
    const again = await campaign("--seed", "11", "--only", "3");
    const told = JSON.parse(stdout) as { schedule: { index: number; operations: unknown[] }; failures: string[] };
    expect(told).toMatchObject({ schedule: { index: 3 }, failures: [] });
    expect(told.schedule.operations.length).toBeGreaterThan(0);
    expect((JSON.parse(again.stdout) as typeof told).schedule).toEqual(told.schedule);
    expect(status).toBe(0);
  }, 60_000);

  it("refuses what is no number", async () => {
    expect(await campaign("--seed", "x")).toMatchObject({ status: 2, stderr: expect.stringContaining("--seed") as string });
  });
});
