import { writeFile } from "node:fs/promises";
import { expect, it } from "vitest";
import { command, runExample, temporaryFolder } from "./spinn.js";

it("a wrong file, or none, is named before anything is asked of boards", async () => {
  await using folder = await temporaryFolder();
  const file = folder.file("ipcontroller-client.json");
  const connection = { interface: "tcp://127.0.0.1", registration: 9, control: 9, mux: 9, task: 9, iopub: 9, notification: 9, key: "k" };
  await writeFile(file, JSON.stringify(connection));
  const board = ["engine", "--host", "127.91.7.77"];
  expect(await command([...board, "--cluster", folder.file("none.json")])).toMatchObject({
    status: 2,
    stdout: "",
    stderr: expect.stringMatching(/cannot read the connection file .*none\.json\n.*is a controller running\?/s) as string,
  });
  expect(await command([...board, "--cluster", file])).toMatchObject({
    status: 2,
    stderr: expect.stringContaining("take ipcontroller-engine.json") as string,
  });
  expect(await command([...board, "--cluster", file, "--profile", "lab"])).toMatchObject({ status: 2 });
  expect(await command([...board, "--allow", "all"])).toMatchObject({ status: 2, stderr: expect.stringContaining("disturb") as string });
});

it("the example experiment runs on simulated boards in one process, against the built package", async () => {
  const { SPINN_CLUSTER: _, ...env } = process.env;
  const { stdout, stderr } = await runExample("fixtures/cluster/experiment.ts", env);
  expect(stderr).toBe("");
  const told = JSON.parse(stdout) as { lines: number };
  expect(told).toMatchObject({ boards: 3, python: 0, agree: true, different: 3 });
  expect(told.lines).toBeGreaterThanOrEqual(6);
});
