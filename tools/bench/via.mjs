#!/usr/bin/env node
// How fast a machine is read through a controller, beside the same machine read directly, as JSON. Needs a build (`npm run build`).
//
//   node tools/bench/via.mjs [--board spin5|triads:2x4] [--bytes 2M-as-a-number] [--rounds 5]
//
// Three processes: the simulated machine, `spinn serve`, and this one. Direct and through the controller take turns; `ratio` is the median of
// the rounds' ratios, so that what else the computer does hits both alike. With several boards all are read at once.
import { spawn } from "node:child_process";
import { cpus, loadavg } from "node:os";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { RemoteNetwork } from "../../dist/controller/index.js";
import { Transceiver } from "../../dist/transceiver/index.js";

const { values } = parseArgs({
  options: {
    board: { type: "string", default: "spin5" },
    bytes: { type: "string", default: "2097152" },
    rounds: { type: "string", default: "5" },
  },
});
const HOST = "127.99.7.1";
const SDRAM = 0x60240000;
const spinn = fileURLToPath(new URL("../../dist/cli/main.js", import.meta.url));

/** A spinn that goes on; resolves with its first line. */
function started(words) {
  const child = spawn(process.execPath, [spinn, ...words], { stdio: ["ignore", "pipe", "inherit"] });
  return new Promise((resolve, reject) => {
    let text = "";
    child.once("exit", (status) => reject(new Error(`${words[0]} ended with status ${status}`)));
    child.stdout.on("data", (chunk) => {
      text += chunk;
      if (text.endsWith("\n")) resolve({ line: text, stop: () => new Promise((done) => child.once("exit", done) && child.kill()) });
    });
  });
}

const median = (numbers) => [...numbers].sort((a, b) => a - b)[numbers.length >> 1];
const seconds = async (work) => {
  const start = performance.now();
  await work();
  return (performance.now() - start) / 1000;
};
const round = (value) => (typeof value === "number" ? Number(value.toPrecision(4)) : value);

const machine = await started(["simulate", "--board", values.board, "--host", HOST]);
const serve = await started(["serve", "--host", HOST, "--port", "0", "--json"]);
const report = { node: process.version, cpus: cpus().length, load_before: loadavg()[0], board: values.board };
try {
  const network = await RemoteNetwork.connect("127.0.0.1", JSON.parse(serve.line).port);
  const direct = await Transceiver.connect({ host: HOST });
  const through = await Transceiver.connect({ ...network.board, open: network.open });
  report.discover_s = { direct: await seconds(() => direct.discover()), through: await seconds(() => through.discover()) };
  report.boards = { direct: direct.connections.length, through: through.connections.length };
  const ethernets = [...direct.machine.ethernetChips()];
  const length = Number(values.bytes);
  const read = (board) => () => board.readMany(ethernets.map(({ x, y }) => ({ x, y, address: SDRAM, length })));
  const ask = (board) => async () => {
    for (let i = 0; i < 300; i += 1) await board.readVersion({ x: 0, y: 0 });
  };
  for (const board of [direct, through]) await read(board)();
  const rounds = [];
  for (let i = 0; i < Number(values.rounds); i += 1) {
    const one = {};
    for (const [name, board] of [
      ["direct", direct],
      ["through", through],
    ]) {
      one[name] = {
        MB_per_s: (ethernets.length * length) / 1e6 / (await seconds(read(board))),
        round_trip_ms: (await seconds(ask(board))) / 0.3,
      };
    }
    rounds.push(one);
  }
  for (const name of ["direct", "through"]) {
    report[name] = {
      MB_per_s: median(rounds.map((one) => one[name].MB_per_s)),
      round_trip_ms: median(rounds.map((one) => one[name].round_trip_ms)),
      resent: (name === "direct" ? direct : through).connections.reduce((sum, { pipeline }) => sum + pipeline.counters.resent, 0),
    };
  }
  for (const open of [direct, through, network]) await open.close();
  report.ratio = median(rounds.map(({ direct: one, through: other }) => other.MB_per_s / one.MB_per_s));
} finally {
  await serve.stop();
  await machine.stop();
}
report.load_after = loadavg()[0];
console.log(JSON.stringify(report, (_, value) => round(value), 2));
