// The project's own simulated board in a process of its own, with the options of a board binary: what compare.mjs measures against when it is
// given none. Prints one JSON line when it listens; ends with SIGTERM.
import { parseArgs } from "node:util";
import { SimulatedMachine } from "../../dist/simulator/index.js";

const { values } = parseArgs({
  options: {
    host: { type: "string", short: "H", default: "127.0.0.1" },
    port: { type: "string", short: "p", default: "0" },
    seed: { type: "string", short: "s", default: "1" },
    delay: { type: "string", short: "D", default: "0" }, // us, every reply
    in: { type: "string", short: "i", default: "0" }, // probability that a request is lost
    out: { type: "string", short: "o", default: "0" }, // probability that a reply is lost
    loss: { type: "string", short: "l", default: "0" }, // either way, half each
    busy: { type: "string", short: "b", default: "0" }, // probability of RC_P2P_BUSY
  },
});
const number = (name) => Number(values[name]);
const machine = await SimulatedMachine.start({
  board: "spin5",
  host: values.host,
  port: number("port"),
  seed: number("seed"),
  faults: {
    toBoard: { loss: Math.max(number("in"), number("loss") / 2) },
    toHost: { loss: Math.max(number("out"), number("loss") / 2), delayMs: number("delay") / 1000 },
    codes: [{ code: "P2P_BUSY", probability: number("busy") }],
  },
});
console.log(JSON.stringify({ listening: values.host, port: machine.boards[0].address.port }));
process.once("SIGTERM", () => machine.close());
