import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { describe, expect, it } from "vitest";
import { serveMachine } from "../../src/cli/machine-control.js";
import { FAULT_PRESETS, SimulatedMachine } from "../../src/simulator/index.js";

/** The real sipyco at the control port of a simulated machine. Runs where SPINN_PEER_SIPYCO names a checkout; see test/README.md. */
const checkout = process.env["SPINN_PEER_SIPYCO"];
const run = promisify(execFile);

const SCRIPT = `
import json, sys, types
import numpy
if not hasattr(numpy, "dtypes"):
    numpy.dtypes = types.SimpleNamespace(ObjectDType=type(numpy.dtype(object)))
from sipyco.pc_rpc import Client
machine = Client("127.0.0.1", int(sys.argv[1]), "machine")
seen = [machine.get_faults(), machine.set_faults("lossy", 7), machine.set_faults({"toHost": {"loss": 1}})]
try:
    machine.set_faults({"toHost": {"loss": 2}})
except Exception as error:
    seen.append(type(error).__name__ + ": " + str(error))
machine.power(False, boards=[0])
seen.append(machine.get_status()["boards"][0]["powered"])
machine.play({"steps": [{"at": "1s", "power": True}]})
machine.set_faults(None)
print(json.dumps(seen))
machine.close_rpc()
`;

describe.runIf(checkout !== undefined)("sipyco", () => {
  it("shows and switches faults and power", async () => {
    await using machine = await SimulatedMachine.start({ board: "spin3", port: 0 });
    await using server = await serveMachine(machine, FAULT_PRESETS, "127.0.0.1", 0);
    const { stdout } = await run("/usr/bin/python3", ["-c", SCRIPT, String(server.port)], {
      env: { ...process.env, PYTHONPATH: checkout! },
    });
    expect(JSON.parse(stdout)).toEqual([
      { name: null, members: {} },
      { name: "lossy", members: FAULT_PRESETS.lossy },
      { name: null, members: { toHost: { loss: 1 } } },
      "ValueError: faults.toHost.loss must be a number from 0 to 1, not 2",
      false,
    ]);
    expect(machine.faults).toBe("none");
  });
});
