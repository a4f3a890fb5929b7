// One machine (a board, or three), one client, operations side by side, faults between them; reboots, interrupts and a close at any point.
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Transceiver } from "../../dist/index.js";
import { SimulatedMachine } from "../../dist/simulator/index.js";
import { commands } from "../../dist/transceiver/index.js";
import { delaysRequests, doublesRequests, drawFaults, isWild, machineFaults } from "./faults.mjs";
import { bytesOf } from "./random.mjs";
import { Witness } from "./witness.mjs";

/** Where operation number i may write: 64 KiB of its own, below the heap of applications. */
const place = (operation) => 0x60300000 + operation.slot * 0x10000 + operation.offset;
const APP = 20;
const GUARD = 64;

/** Kinds that do no harm when a network makes boards execute them twice. */
const REPEATABLE = ["write", "read", "fill", "stream", "requests", "discover", "save", "restore", "scatter"];
const KINDS = [...REPEATABLE, "allocate", "untagged", "routes", "tag", "load", "application", "full-disk"];

export function draw(random) {
  const faults = drawFaults(random, 4);
  const board = random.chance(0.9) ? "spin3" : { open: [16, 16] };
  const kinds = doublesRequests(faults) ? REPEATABLE : KINDS;
  const operations = Array.from({ length: random.int(2, 8) }, (_, slot) => ({
    kind: random.pick(kinds),
    slot,
    chip: { x: random.int(0, 1), y: random.int(0, 1) },
    offset: random.int(GUARD, 300),
    length: random.int(1, 2500),
    seed: random.seed(),
    lane: random.int(1, 3),
  }));
  const events = [];
  // Discovery asks every chip of three silent boards, one after the other, for minutes: those are only interrupted.
  const ends = board === "spin3" ? ["abort", "abort", "close", "reboot", "silence"] : ["abort", "close"];
  if (random.chance(0.3)) events.push({ kind: random.pick(ends), at: random.int(1, 120) });
  return { board, scamp: random.pick(["4.0.0", "4.0.0", "3.4.1"]), nChannels: random.pick([null, 1, 3, 8]), faults, operations, events };
}

export async function play(schedule, { host, watch, count }) {
  const { faults, operations, events } = schedule;
  const failures = [];
  const stranger = faults.find(({ kind }) => kind === "stranger")?.value ?? 0;
  const starts = new Map();
  const machine = await SimulatedMachine.start({
    board: schedule.board,
    host,
    port: 0,
    timeScale: 0.01,
    scamp: schedule.scamp,
    seed: schedule.seed,
    programs: ({ appId, x, y, p }) => ({
      start() {
        const key = `${appId} ${x},${y},${p}`;
        starts.set(key, (starts.get(key) ?? 0) + 1);
      },
    }),
  });
  const witness = new Witness(schedule.seed, stranger);
  const abort = new AbortController();
  const folder = await mkdtemp(join(tmpdir(), "spinnkit-campaign-"));
  let transceiver;
  let hurt = false;
  try {
    await machine.ready;
    transceiver = await Transceiver.connect({
      ...machine.boards[0].address,
      open: witness.open,
      packetTimeoutMs: 60,
      nRetries: 12,
      nChannels: schedule.nChannels,
    });
    machine.setFaults(machineFaults(faults));
    witness.onSend = (number) => {
      for (const event of events) {
        if (event.at !== number) continue;
        hurt = true;
        count(event.kind);
        // Not in the midst of a send, as nothing that ends a program is.
        setImmediate(() => {
          if (event.kind === "abort") abort.abort(new Error("interrupted"));
          else if (event.kind === "close") void transceiver.close();
          else if (event.kind === "reboot") machine.reset();
          else machine.setFaults({ toBoard: { loss: 1 } });
        });
      }
    };
    const context = { machine, transceiver, signal: abort.signal, folder, starts, wild: isWild(faults), count, hurt: () => hurt };
    const ends = operations.map(() => []);
    const perform = async (operation, index) => {
      try {
        await OPERATIONS[operation.kind](operation, context);
        ends[index].push("done");
      } catch (error) {
        ends[index].push(error.code ?? error.name);
        if (error.name === "Wrong") failures.push(`operation ${operation.slot} (${operation.kind}): ${error.message}`);
        else if (!error.code?.startsWith("ERR_SPINN_") && error.message !== "interrupted")
          failures.push(`operation ${operation.slot} (${operation.kind}) ended undocumented: ${error.stack}`);
        else if (!hurt && !context.wild && !isUnknown(operation, error.code))
          failures.push(`operation ${operation.slot} (${operation.kind}) failed under mild faults: ${error.code} ${error.message}`);
      }
    };
    const lanes = [0, 1, 2, 3].map((lane) =>
      operations.filter((each) => (SERIAL.has(each.kind) ? 0 : each.lane) === lane).map((each) => [each, operations.indexOf(each)]),
    );
    const work = lanes.map(async (lane) => {
      for (const [operation, index] of lane) await perform(operation, index);
    });
    await watch("the operations", Promise.all(work));
    for (const [index, end] of ends.entries())
      if (end.length !== 1) failures.push(`operation ${index} ended ${end.length} times: ${end.join(" ")}`);
    failures.push(...witness.broken);
    if (!doublesRequests(faults)) {
      for (const [core, times] of starts) if (times > 1) failures.push(`core ${core} was started ${times} times`);
    }
    for (const { pipeline } of transceiver.connections) tally(pipeline.counters, count);
    machine.setFaults({});
    if (!hurt) {
      await watch("the requests in flight", Promise.all(transceiver.connections.map(({ pipeline }) => pipeline.finish())));
      for (const { pipeline } of transceiver.connections)
        if (pipeline.counters.inFlight !== 0) failures.push(`${pipeline.counters.inFlight} requests are in flight after the end`);
      failures.push(...(await transientTags(machine)));
      if (!context.wild && !delaysRequests(faults))
        failures.push(
          ...leftBehind(
            machine,
            operations.filter((each, i) => !isUnknown(each, ends[i][0])),
            context,
          ),
        );
    }
  } finally {
    count("strangers sent", witness.strangers);
    await watch("close", transceiver?.close() ?? Promise.resolve());
    for (const board of machine.boards) count("datagrams lost", board.counters.dropped.fault);
    await watch("the machine's close", machine.close());
    await rm(folder, { recursive: true, force: true });
  }
  if (witness.channels !== 0) failures.push(`${witness.channels} channels are open after close()`);
  return failures;
}

/** Kinds that use what a chip has once: the load buffer (programs and routes), the list of tags. One caller at a time, say their docs. */
const SERIAL = new Set(["load", "application", "routes", "tag"]);

/** What must not be repeated may end so, when several tries in a row were lost. Then it may be there still. */
const isUnknown = ({ kind }, code) => code === "ERR_SPINN_OUTCOME_UNKNOWN" && !REPEATABLE.includes(kind);

class Wrong extends Error {
  name = "Wrong";
}

function same(what, got, want, { wild }) {
  if (!wild && Buffer.compare(got, want) !== 0) {
    const at = want.findIndex((byte, i) => got[i] !== byte);
    throw new Wrong(`${what}: byte ${at} of ${want.length} is ${got[at]}, not ${want[at]}`);
  }
}

/** What the machine itself has at an address. */
function inMachine(machine, { x, y }, address, length) {
  const bytes = new Uint8Array(length);
  machine.chip(x, y).memory.copyOut(address, bytes, 0, length);
  return bytes;
}

const poke = (machine, { x, y }, address, bytes) => machine.chip(x, y).memory.copyIn(address, bytes, 0, bytes.length);

/** The bytes are in the machine, and their neighbours are as they were. Says nothing of a machine that was reset meanwhile. */
function holds(what, context, chip, address, want) {
  if (!context.machine.isReady) return;
  same(what, inMachine(context.machine, chip, address, want.length), want, context);
  const none = new Uint8Array(GUARD);
  same(`${what}: before it`, inMachine(context.machine, chip, address - GUARD, GUARD), none, context);
  same(`${what}: behind it`, inMachine(context.machine, chip, address + want.length, GUARD), none, context);
}

/** An APLX image of a size. */
function image(seed, length) {
  const size = 0x40 + 4 * Math.ceil(length / 4);
  const bytes = new Uint8Array(size);
  new Uint32Array(bytes.buffer).set([2, 0, 0x40, size - 0x40, 4]);
  bytes.set(bytesOf(seed, size - 0x40), 0x40);
  return bytes;
}

const OPERATIONS = {
  async write(operation, context) {
    const { transceiver, signal } = context;
    const [address, bytes] = [place(operation), bytesOf(operation.seed, operation.length)];
    await transceiver.writeMemory(operation.chip, address, bytes, { signal });
    holds("written", context, operation.chip, address, bytes);
    same("read back", await transceiver.readMemory(operation.chip, address, bytes.length, { signal }), bytes, context);
  },
  async read(operation, context) {
    const [address, bytes] = [place(operation), bytesOf(operation.seed, operation.length)];
    poke(context.machine, operation.chip, address, bytes);
    const got = await context.transceiver.readMemory(operation.chip, address, bytes.length, { signal: context.signal });
    same("read", got, bytes, context);
  },
  async fill(operation, context) {
    const [address, length] = [place(operation) & ~3, (operation.length + 3) & ~3];
    await context.transceiver.fillMemory(operation.chip, address, length, operation.seed, { signal: context.signal });
    const want = new Uint8Array(new Uint32Array(length / 4).fill(operation.seed).buffer);
    holds("filled", context, operation.chip, address, want);
  },
  async scatter(operation, context) {
    const { transceiver, signal } = context;
    const pieces = [0, 1, 2].map((i) => ({
      x: i % 2,
      y: operation.chip.y,
      address: place(operation) + i * 0x2000,
      data: bytesOf(operation.seed + i, operation.length),
    }));
    await transceiver.writeMany(pieces, { signal });
    for (const piece of pieces) holds("written with others", context, piece, piece.address, piece.data);
    const ranges = pieces.map(({ x, y, address, data }) => ({ x, y, address, length: data.length }));
    const back = await transceiver.readMany(ranges, { signal });
    for (const [i, piece] of pieces.entries()) same("read with others", back[i], piece.data, context);
  },
  async stream(operation, context) {
    const { transceiver, signal } = context;
    const bytes = bytesOf(operation.seed, operation.length);
    const ranges = [{ ...operation.chip, address: place(operation), length: bytes.length }];
    poke(context.machine, operation.chip, place(operation), bytes);
    const parts = [];
    for await (const part of transceiver.readStream(ranges, { signal, blockBytes: 512 })) parts.push(part.slice());
    same("streamed", Buffer.concat(parts), bytes, context);
  },
  async save(operation, context) {
    const { transceiver, signal, folder } = context;
    const bytes = bytesOf(operation.seed, operation.length);
    const path = join(folder, `${operation.slot}.bin`);
    poke(context.machine, operation.chip, place(operation), bytes);
    const ranges = [{ ...operation.chip, address: place(operation), length: bytes.length }];
    await transceiver.saveMemory(ranges, path, { signal, blockBytes: 1024, resume: operation.seed % 2 === 0 });
    same("saved", await readFile(path), bytes, context);
  },
  async restore(operation, context) {
    const { transceiver, signal, folder } = context;
    const bytes = bytesOf(operation.seed, operation.length);
    const path = join(folder, `${operation.slot}.bin`);
    await writeFile(path, bytes);
    const ranges = [{ ...operation.chip, address: place(operation), length: bytes.length }];
    await transceiver.restoreMemory(ranges, path, { signal, blockBytes: 1024, resume: operation.seed % 2 === 0 });
    holds("restored", context, operation.chip, place(operation), bytes);
  },
  async "full-disk"(operation, context) {
    context.count("full disk");
    const ranges = [{ ...operation.chip, address: place(operation), length: operation.length }];
    const code = await context.transceiver.saveMemory(ranges, "/dev/full", { signal: context.signal }).then(
      () => "nothing",
      (error) => {
        if (
          error.code !== "ERR_SPINN_FILE" &&
          (context.signal.aborted || context.wild || context.transceiver.connections[0].pipeline.closed)
        )
          throw error;
        return error.code;
      },
    );
    if (code === "nothing") throw new Wrong("a full disk was reported as done");
    if (code !== "ERR_SPINN_FILE" && !(code === "ERR_SPINN_TIMEOUT")) throw new Wrong(`a full disk was reported as ${code}`);
  },
  async requests(operation, context) {
    const { pipeline } = context.transceiver.connections[0];
    const ends = new Map();
    const end = (i, how) => ends.set(i, [...(ends.get(i) ?? []), how]);
    const work = [];
    for (let i = 0; i < 8; i += 1) {
      const request = i % 2 === 0 ? commands.getVersion(operation.chip) : commands.getChipInfo(operation.chip);
      const options = { signal: context.signal };
      work.push(
        pipeline.sendRequest(
          request,
          () => end(i, "answer"),
          (_request, error) => end(i, error.code ?? error.name),
          options,
        ),
      );
    }
    await Promise.all(work);
    await pipeline.finish();
    for (let i = 0; i < 8; i += 1)
      if (ends.get(i)?.length !== 1) throw new Wrong(`request ${i} ended ${ends.get(i)?.length ?? 0} times: ${ends.get(i)?.join(" ")}`);
  },
  async discover(_operation, context) {
    const { machine, problems } = await context.transceiver.discover({ signal: context.signal });
    if (context.wild || context.hurt()) return;
    const want = context.machine.geometry.ethernetChips.length === 1 ? 4 : 144;
    if (machine.chips.size !== want || problems.length > 0)
      throw new Wrong(`found ${machine.chips.size} of ${want} chips, problems: ${problems.map(({ message }) => message).join("; ")}`);
  },
  async allocate(operation, context) {
    const { transceiver, signal } = context;
    const options = { appId: APP + operation.slot, tag: 1 + operation.slot, signal };
    const address = await transceiver.allocate(operation.chip, operation.length, options);
    const blocks = owned(context, operation);
    if (!context.wild && (blocks?.length !== 1 || blocks[0].payload !== address) && context.machine.isReady)
      throw new Wrong(`allocated once at ${address}, the chip has ${JSON.stringify(blocks)}`);
    await transceiver.free(operation.chip, address, { signal });
  },
  async untagged(operation, context) {
    const { transceiver, signal } = context;
    const address = await transceiver.allocate(operation.chip, operation.length, { appId: APP + operation.slot, signal });
    await transceiver.free(operation.chip, address, { signal });
  },
  async routes(operation, context) {
    const { transceiver, signal } = context;
    const entries = Array.from({ length: 1 + (operation.seed % 5) }, (_, i) => ({
      key: (operation.slot << 16) | (i << 8),
      mask: 0xffffff00,
      links: [],
      cores: [1 + i],
    }));
    await transceiver.loadRoutes(operation.chip, entries, { appId: APP + operation.slot, signal });
    const routes = await transceiver.readRoutes(operation.chip, { signal });
    const own = routes.filter(({ appId }) => appId === APP + operation.slot);
    if (!context.wild && own.length !== entries.length) throw new Wrong(`${own.length} of ${entries.length} routes are there`);
    await transceiver.freeRoutes(operation.chip, APP + operation.slot, { signal });
  },
  async tag(operation, context) {
    const { transceiver, signal } = context;
    const tag = operation.slot % 8;
    await transceiver.setIpTag(tag, { host: "127.0.0.1", port: 50_000 + operation.slot }, { signal });
    const seen = await transceiver.getIpTag(tag, { signal });
    if (!context.wild && seen.port !== 50_000 + operation.slot) throw new Wrong(`tag ${tag} leads to port ${seen.port}`);
    await transceiver.clearIpTag(tag, { signal });
  },
  async load(operation, context) {
    const { transceiver, signal } = context;
    const appId = APP + operation.slot;
    const p = 1 + operation.slot;
    const cores = [operation.chip, { x: 1 - operation.chip.x, y: operation.chip.y }].map((chip) => ({ ...chip, p }));
    await transceiver.load(image(operation.seed, operation.length), cores, { appId, signal });
    for (const { x, y } of cores) {
      const times = context.starts.get(`${appId} ${x},${y},${p}`) ?? 0;
      if (!context.wild && times !== 1) throw new Wrong(`core ${x},${y},${p} was started ${times} times`);
    }
    await transceiver.stop(appId, { signal });
  },
  async application(operation, context) {
    const { transceiver, signal } = context;
    const app = transceiver.application(APP + operation.slot, { signal });
    try {
      const bytes = bytesOf(operation.seed, operation.length);
      const io = await app.allocateIO(operation.chip, bytes.length, { tag: 1 + operation.slot, signal });
      await io.write(bytes);
      same("through a file of memory", await io.seek(0).read(), bytes, context);
      await app.load(image(operation.seed, operation.length), [{ ...operation.chip, p: 1 + operation.slot }], { signal });
      await app.setIpTag(operation.slot % 8, { host: "127.0.0.1", port: 50_000 + operation.slot }, { signal });
      await app.loadRoutes(operation.chip, [{ key: 1, mask: 0xffffffff, links: [], cores: [1] }], { signal });
    } finally {
      await app[Symbol.asyncDispose]();
    }
  },
};

function owned({ machine }, { chip, slot }) {
  if (!machine.isReady) return undefined;
  return machine
    .chip(chip.x, chip.y)
    .sdramHeap.blocks()
    .filter(({ appId }) => appId === APP + slot);
}

/** What the operations took from the machine and have not given back, as the machine itself says. */
function leftBehind(machine, operations, context) {
  const failures = [];
  for (const operation of operations) {
    if (operation.kind === "untagged") continue;
    const blocks = owned(context, operation) ?? [];
    if (blocks.length > 0) failures.push(`operation ${operation.slot} (${operation.kind}) left ${JSON.stringify(blocks)} in the heap`);
    for (const core of machine.chip(operation.chip.x, operation.chip.y).cores)
      if (core.appId === APP + operation.slot) failures.push(`operation ${operation.slot} (${operation.kind}) left core ${core.p} running`);
  }
  for (const board of machine.boards)
    for (const [tag, { flags }] of board.tags.entries.entries())
      if (tag < 8 && flags & 0x8000 && operations.some(({ slot }) => board.tags.entries[tag].port === 50_000 + slot))
        failures.push(`tag ${tag} is still set`);
  return failures;
}

/** Tags lent to requests come back when the replies have left: at once, or as soon as what was held back has gone. */
async function transientTags(machine) {
  const lent = () => machine.boards.flatMap(({ tags }) => tags.entries.filter((_, tag) => tag >= 8 && tags.find(tag) !== undefined));
  for (let tries = 0; tries < 100 && lent().length > 0; tries += 1) await new Promise((resolve) => setTimeout(resolve, 5));
  return lent().length === 0 ? [] : [`${lent().length} transient tags were not given back`];
}

function tally(counters, count) {
  for (const name of [
    "sent",
    "resent",
    "timeouts",
    "earlyRepeats",
    "retryCodeResent",
    "duplicates",
    "late",
    "unknown",
    "foreign",
    "malformed",
  ])
    count(name, counters[name]);
}
