import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { describe, expect, it } from "vitest";
import { IDict, runServer, runWith } from "../../src/services/inspect/index.js";

// Runs where SPINN_PEER_SIPYCO names a checkout of m-labs/sipyco (1.10 or later); SPINN_PEER_PYTHON is an interpreter with numpy.
const checkout = process.env["SPINN_PEER_SIPYCO"];
const python = process.env["SPINN_PEER_PYTHON"] ?? "/usr/bin/python3";
const script = fileURLToPath(new URL("inspect_peer.py", import.meta.url));
const run = promisify(execFile);

describe.skipIf(checkout === undefined)("the real sipyco", () => {
  it("follows a computation, pauses, steps, steers and ends it", async () => {
    const knobs = { gain: { type: "float", value: 1, min: 0, max: 10 } } as const;
    const idict = new IDict({ n: 0, array: new Float64Array([1.5, 2.5]) }, { knobs, minIntervalMs: 1 });
    await using server = await runServer(idict);
    const counting = runWith(idict, async () => {
      while (!(await idict.wait()).terminated) {
        idict.set("n", idict.get("n") + idict.knob("gain"));
        idict.notifyUpdate();
      }
    });
    const { port, notifyPort } = server.address;
    const { stdout } = await run(python, [script, String(port), String(notifyPort)], { env: { ...process.env, PYTHONPATH: checkout } });
    await counting;
    const refused = "knob gain takes a number from 0 to 10, not 50";
    expect(JSON.parse(stdout)).toEqual({
      paused_by: ["Grace"],
      refused,
      array: [1.5, 2.5],
      end: ["aborted", "enough"],
      values: idict.snapshot.n,
    });
    expect(await server.waitThenClose({ timeoutMs: 5000 })).toEqual({ reason: "all left", clients: 0 });
  });
});
