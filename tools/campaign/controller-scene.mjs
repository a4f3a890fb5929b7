// A board served to several clients over RPC: faults under it, clients that leave, a server that dies.
import { Controller, RemoteController, serveController } from "../../dist/controller/index.js";
import { SimulatedMachine } from "../../dist/simulator/index.js";
import { doublesRequests, drawFaults, isWild, machineFaults } from "./faults.mjs";
import { bytesOf } from "./random.mjs";
import { Witness } from "./witness.mjs";

const address = ({ slot }) => 0x60300000 + slot * 0x10000;

export function draw(random) {
  const operations = Array.from({ length: random.int(2, 8) }, (_, slot) => ({
    kind: random.pick(["write", "write", "read", "info", "ping", "fill"]),
    slot,
    client: random.int(0, 2),
    length: random.int(1, 3000),
    seed: random.seed(),
  }));
  const events = [];
  if (random.chance(0.4)) events.push({ kind: random.pick(["server dies", "client leaves", "abort", "reboot"]), at: random.int(1, 60) });
  return { faults: drawFaults(random, 3), operations, events };
}

export async function play(schedule, { host, watch, count }) {
  const { faults, operations, events } = schedule;
  const failures = [];
  const machine = await SimulatedMachine.start({ board: "spin3", host, port: 0, timeScale: 0.01, seed: schedule.seed });
  const witness = new Witness(schedule.seed, faults.find(({ kind }) => kind === "stranger")?.value ?? 0);
  const controller = new Controller({
    host,
    port: machine.boards[0].address.port,
    open: witness.open,
    connect: { packetTimeoutMs: 60, nRetries: 12 },
  });
  const served = await serveController(controller, { port: 0, pollMs: 0 });
  const clients = [];
  const abort = new AbortController();
  let hurt = false;
  try {
    for (let i = 0; i < 3; i += 1) clients.push(await RemoteController.connect("127.0.0.1", served.port));
    await controller.call("info");
    machine.setFaults(machineFaults(faults));
    witness.onSend = (number) => {
      for (const { kind, at } of events) {
        if (at !== number) continue;
        hurt = true;
        count(kind);
        setImmediate(() => {
          if (kind === "server dies") void served.close();
          else if (kind === "client leaves") void clients[0].close();
          else if (kind === "abort") abort.abort(new Error("interrupted"));
          else machine.reset();
        });
      }
    };
    const wild = isWild(faults);
    const perform = async (operation) => {
      const client = clients[operation.client];
      const want = bytesOf(operation.seed, operation.length);
      const { signal } = abort;
      const wrong = (words) => failures.push(`operation ${operation.slot} (${operation.kind}): ${words}`);
      const inMachine = () => {
        const bytes = new Uint8Array(operation.length);
        machine.chip(1, 1).memory.copyOut(address(operation), bytes, 0, bytes.length);
        return bytes;
      };
      const read = () => client.call("read", { chip: "1,1", address: address(operation), length: operation.length }, { signal });
      if (operation.kind === "write") {
        await client.call("write", { chip: "1,1", address: address(operation), data: want }, { signal });
        if (!wild && machine.isReady && Buffer.compare(inMachine(), want) !== 0) wrong("other bytes are in the machine");
      } else if (operation.kind === "read") {
        machine.chip(1, 1).memory.copyIn(address(operation), want, 0, want.length);
        if (Buffer.compare(await read(), want) !== 0 && !wild) wrong("other bytes were read");
      } else if (operation.kind === "fill") {
        const length = (operation.length + 3) & ~3;
        await client.run("fill", { chip: "1,1", address: address(operation), length, word: operation.seed }, { signal });
        const words = new Uint8Array(new Uint32Array(length / 4).fill(operation.seed).buffer, 0, operation.length);
        if (!wild && machine.isReady && Buffer.compare(inMachine(), words) !== 0) wrong("the memory was not filled");
      } else {
        const answer = await client.call(operation.kind, {}, { signal });
        if (operation.kind === "ping" && answer !== true && !wild && !hurt) wrong("a board that is there was not found");
      }
    };
    const ends = operations.map(() => 0);
    const one = async (operation, index) => {
      try {
        await perform(operation);
      } catch (error) {
        const known = error.code?.startsWith("ERR_SPINN_") || error.message === "interrupted" || error.name === "AbortError";
        if (!known) failures.push(`operation ${operation.slot} (${operation.kind}) ended undocumented: ${error.stack}`);
        else if (!hurt && !wild)
          failures.push(`operation ${operation.slot} (${operation.kind}) failed under mild faults: ${error.message}`);
      }
      ends[index] += 1;
    };
    await watch("the calls", Promise.all(operations.map(one)));
    if (ends.some((times) => times !== 1)) failures.push(`calls ended ${ends.join(" ")} times`);
    if (!doublesRequests(faults)) failures.push(...witness.broken);
    machine.setFaults({});
  } finally {
    await watch("the clients' close", Promise.all(clients.map((client) => client.close())));
    await watch("the server's close", served.close());
    await watch("the machine's close", machine.close());
  }
  if (witness.channels !== 0) failures.push(`${witness.channels} channels are open after the controller's close`);
  return failures;
}
