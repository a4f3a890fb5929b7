// Doors with somebody behind them: servers of ours that strangers connect to, clients of ours whose server is hostile, and simulated boards.
import { createSocket } from "node:dgram";
import { connect, createServer } from "node:net";
import * as commands from "../../../dist/commands/index.js";
import { BMPConnection, openUdp, SCPRequestPipeLine } from "../../../dist/connections/index.js";
import { Controller, serveController } from "../../../dist/controller/index.js";
import { SpallocClient, SpallocWebClient } from "../../../dist/services/allocation/index.js";
import { Broadcaster, LogServer, Notifier, Publisher, Subscriber } from "../../../dist/services/publish/index.js";
import { Client, RpcServer } from "../../../dist/services/rpc/index.js";
import { IMDClient, IMDServer } from "../../../dist/services/stream/index.js";
import { SimulatedMachine } from "../../../dist/simulator/index.js";
import { Transceiver } from "../../../dist/transceiver/index.js";
import { serveWeb } from "../../../dist/web/index.js";
import * as wire from "../../../dist/wire/index.js";
import * as golden from "./goldens.mjs";
import { mutated, randomOf } from "./mutate.mjs";

const HOST = "127.0.111.1";
/** A connection that is still open then hangs. */
const HANG_MS = 5000;
const MOST_READ = 1 << 20;

/** Says `bytes` to a server, ends, and waits until the other side has ended too. */
function say(port, bytes) {
  return new Promise((resolve, reject) => {
    const socket = connect({ host: HOST, port });
    const chunks = [];
    let size = 0;
    const timer = setTimeout(() => {
      socket.destroy();
      reject(new Error(`the connection still stands after ${HANG_MS} ms`));
    }, HANG_MS);
    socket.on("data", (chunk) => {
      size += chunk.length;
      if (size <= MOST_READ) chunks.push(chunk);
    });
    // Cut off in the middle of what was said: what a server may do.
    socket.on("error", () => {});
    socket.on("close", () => {
      clearTimeout(timer);
      resolve(Buffer.concat(chunks));
    });
    socket.end(bytes);
  });
}

/** Node 20 knows no `await using`: closes what was opened, whatever the work came to. */
async function using(opening, work) {
  const opened = await opening;
  try {
    return await work(opened);
  } finally {
    await opened.close();
  }
}

/** A server that answers every connection with what it was told, and ends it. */
async function hostileServer() {
  const answers = new Map();
  const server = createServer((socket) => {
    socket.on("error", () => {});
    const parts = answers.get(socket.localAddress) ?? [];
    // Part by part, each when the client has said something, or has nothing to say.
    const next = () => {
      const part = parts.shift();
      if (part === undefined) socket.end();
      else socket.write(part);
    };
    socket.on("data", next);
    socket.on("end", () => socket.end());
    socket.setTimeout(300, () => socket.destroy());
    next();
  });
  await new Promise((resolve) => server.listen(0, "0.0.0.0", resolve));
  return { port: server.address().port, answers, close: () => new Promise((resolve) => server.close(resolve)) };
}

/** A door for a client: `use(host, port)` connects and does what it can. Each input has an address of its own, so that several run at a time. */
const client = (name, share, goldens, codes, use, partsOf = (bytes) => [bytes]) => ({
  name,
  share,
  goldens,
  codes,
  width: 8,
  slowMs: HANG_MS,
  async open() {
    const server = await hostileServer();
    return {
      async take(bytes, index) {
        const host = `127.0.112.${1 + (index % 200)}`;
        server.answers.set(host, partsOf(bytes));
        try {
          await use(host, server.port);
        } finally {
          server.answers.delete(host);
        }
      },
      close: () => server.close(),
    };
  },
});

const lines = (bytes) =>
  bytes
    .toString("latin1")
    .split(/(?<=\n)/)
    .slice(0, 64)
    .map((line) => Buffer.from(line, "latin1"));
const joined = (all, size) =>
  Array.from({ length: Math.ceil(all.length / size) }, (_, i) => Buffer.concat(all.slice(i * size, (i + 1) * size)));

const CONNECTION = [
  "ERR_SPINN_PROTOCOL",
  "ERR_SPINN_INCOMPLETE",
  "ERR_SPINN_UNREACHABLE",
  "ERR_SPINN_TIMEOUT",
  "ERR_SPINN_CLOSED",
  "ERR_SPINN_REMOTE",
  "ERR_SPINN_WRONG_DEVICE",
];

/** Replies of a board that lies: what comes is mutated, some of it twice, and the true reply comes last. */
class LyingChannel {
  remote = "liar:17893";
  closed = false;
  #listeners = new Set();
  #lie = Buffer.alloc(0);
  tell(bytes) {
    this.#lie = Buffer.from(bytes);
  }
  send(datagram) {
    const request = wire.decodeScpRequest(datagram);
    const reply = wire.encodeScpReply({
      ...request,
      flags: 7,
      destPort: 7,
      destCpu: 31,
      srcPort: 0,
      srcCpu: request.destCpu,
      srcX: request.destX,
      srcY: request.destY,
      destX: 0,
      destY: 0,
      returnCode: 0x80,
      sequence: request.sequence,
      payload: Buffer.alloc(64),
    });
    const lie = this.#lie;
    const aimed = Buffer.from(lie);
    if (aimed.length >= 14) aimed.set(reply.subarray(12, 14), 12);
    queueMicrotask(() => {
      for (const one of [lie, aimed, aimed, reply]) for (const listener of this.#listeners) listener.onDatagram(one);
    });
  }
  subscribe(listener) {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }
  async close() {
    this.closed = true;
  }
}

const BOARD = ["ERR_SPINN_PROTOCOL", "ERR_SPINN_SHORT_REPLY", "ERR_SPINN_RETURN_CODE", "ERR_SPINN_TIMEOUT", "ERR_SPINN_OUTCOME_UNKNOWN"];
const start = (options) => SimulatedMachine.start({ host: HOST, port: 0, timeScale: 0, ...options });

/** Datagrams to one port, as fast as the other side in this process reads them. */
async function datagramsTo(host, port) {
  const socket = createSocket("udp4");
  socket.on("error", () => {});
  return {
    send: (bytes, index) =>
      new Promise((resolve) =>
        socket.send(bytes.subarray(0, 60_000), port, host, () => (index % 16 === 0 ? setImmediate(resolve) : resolve())),
      ),
    close: () => new Promise((resolve) => socket.close(resolve)),
  };
}

const pageKey = "garbage-page-key-0123456789";
const http = (first, headers, body = "") =>
  Buffer.from(
    `${first} HTTP/1.1\r\n${Object.entries({
      host: "localhost",
      authorization: `Bearer ${pageKey}`,
      "x-spinn-page": "page-0123456789",
      connection: "close",
      ...headers,
    })
      .map(([name, value]) => `${name}: ${value}\r\n`)
      .join("")}content-length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
  );
const rest = (body) =>
  Buffer.from(
    `HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: ${Buffer.byteLength(body)}\r\nconnection: close\r\n\r\n${body}`,
  );

class Target {
  echo(value) {
    return value;
  }
  add(a, b) {
    return a + b;
  }
}

/** A server of ours: `open` starts it, `serves` says whether it still does. */
const server = (name, share, goldens, open, serves) => ({
  name,
  share,
  goldens,
  codes: [],
  width: 8,
  slowMs: HANG_MS,
  async open() {
    const opened = await open();
    return {
      take: async (bytes) => {
        await say(opened.port, bytes);
      },
      check: () => serves(opened),
      close: () => opened.close(),
    };
  },
});

async function served(machineOptions, more) {
  const machine = await start({ board: "spin3", ...machineOptions });
  const controller = new Controller({ host: HOST, port: machine.boards[0].address.port, bootPort: machine.bootAddress.port });
  const opened = await more(controller);
  return {
    machine,
    controller,
    opened,
    port: opened.port,
    async close() {
      await opened.close();
      await controller.close();
      await machine.close();
    },
  };
}

const rpcSession = Buffer.from(
  'ARTIQ pc_rpc\ntarget pyon_v2\n{"action":"get_rpc_method_list"}\n{"action":"call","name":"add","args":{"__jsonclass__":["tuple",[[1,2]]]},"kwargs":{}}\n{"action":"call","name":"echo","args":[{"a":[1.5,null,true]}],"kwargs":{}}\n',
);
const boardSession = Buffer.from(
  'ARTIQ pc_rpc\nboard pyon_v2\n{"action":"call","name":"version","args":[],"kwargs":{}}\n{"action":"call","name":"read_memory","args":[0,0,1610612736,64],"kwargs":{}}\n{"action":"call","name":"reset","args":[],"kwargs":{}}\n',
);

export const socketDoors = [
  {
    name: "pipeline",
    share: 40,
    goldens: [...golden.scpReplies, ...golden.bmpReplies],
    codes: BOARD,
    open() {
      const channel = new LyingChannel();
      const pipeline = new SCPRequestPipeLine(channel, { nChannels: 4, nRetries: 1, packetTimeoutMs: 500 });
      const chip = { x: 0, y: 0, p: 0 };
      const requests = [
        commands.readMemory(chip, 0x60000000, 64),
        commands.getVersion(chip),
        commands.getTagPool(chip),
        commands.writeMemory(chip, 0x60000000, new Uint8Array(4)),
      ];
      return {
        take(bytes, index) {
          channel.tell(bytes);
          return pipeline.call(requests[index % requests.length]);
        },
        close: () => pipeline.close(),
      };
    },
  },
  {
    name: "transceiver",
    share: 1,
    goldens: golden.scpReplies,
    codes: [
      ...BOARD,
      "ERR_SPINN_WRONG_DEVICE",
      "ERR_SPINN_BOOT",
      "ERR_SPINN_MACHINE",
      "ERR_SPINN_MEMORY",
      "ERR_SPINN_UNREACHABLE",
      "ERR_SPINN_STATE",
    ],
    slowMs: HANG_MS,
    async open() {
      const machine = await start({ board: "spin3" });
      const { port } = machine.boards[0].address;
      return {
        async take(bytes, index) {
          const random = randomOf(index, "transceiver", 0);
          // The network of a board that answers one time in three with something else.
          const open = async (host, number, options) => {
            const channel = await openUdp(host, number, options);
            const { subscribe } = channel;
            channel.subscribe = (listener) =>
              subscribe.call(channel, {
                ...listener,
                onDatagram: (datagram, sender) =>
                  listener.onDatagram(random() < 0.3 ? new Uint8Array(mutated([Buffer.from(datagram), bytes], random)) : datagram, sender),
              });
            return channel;
          };
          const transceiver = await Transceiver.connect({
            host: HOST,
            port,
            open,
            packetTimeoutMs: 5,
            nRetries: 4,
            probeMs: 50,
            readyMs: 50,
          });
          try {
            await transceiver.discover();
            await transceiver.readMemory({ x: 1, y: 1 }, 0x60000000, 1000);
            await transceiver.readChipStatus({ x: 1, y: 1 });
          } finally {
            await transceiver.close();
          }
        },
        close: () => machine.close(),
      };
    },
  },
  {
    name: "simulated board",
    share: 60,
    goldens: golden.scpRequests,
    codes: [],
    async open() {
      const machine = await start({ board: "spin3" });
      return {
        take(bytes) {
          const datagram = Buffer.from(bytes.subarray(0, 282));
          if (datagram.length < 10) return;
          // A fill of all SDRAM is legal and long: keep it short.
          if (datagram.length >= 26 && datagram.readUInt16LE(10) === 5) datagram.writeUInt16LE(0, 24);
          machine.system.route(machine.chip(0, 0), datagram);
        },
        async check() {
          for (const chip of machine.system.chips) chip.dead = false;
          const { port } = machine.boards[0].address;
          await using(Transceiver.connect({ host: HOST, port }), (one) => one.readMemory({ x: 0, y: 0 }, 0x60000000, 16));
        },
        close: () => machine.close(),
      };
    },
  },
  ...[
    ["simulated board, UDP", "board", golden.scpRequests],
    ["simulated BMP, UDP", "bmp", golden.bmpRequests],
    ["boot port, UDP", "boot", [wire.bootStart(1), wire.bootControl()].map((one) => Buffer.from(wire.encodeBoot(one)))],
  ].map(([name, kind, goldens]) => ({
    name,
    share: 12,
    goldens,
    codes: [],
    async open() {
      const machine = await start({ board: "spin5", booted: kind !== "boot" });
      const { host, port } = { board: machine.boards[0].address, bmp: machine.bmps[0].address, boot: machine.bootAddress }[kind];
      const to = await datagramsTo(host, port);
      return {
        take: (bytes, index) => to.send(bytes, index),
        async check() {
          // A monitor that was told to die is dead, and lent tags stay out for their time, as with the firmware: a reset and a boot mend it.
          if (kind !== "bmp") {
            machine.reset();
            await Transceiver.boot(golden.bootImages[0], {
              host,
              port: machine.boards[0].address.port,
              bootPort: machine.bootAddress.port,
            });
          } else await using(BMPConnection.open({ host, port }), (bmp) => bmp.pipeline.call(commands.getVersion({ x: 0, y: 0, p: 0 })));
        },
        async close() {
          await to.close();
          await machine.close();
        },
      };
    },
  })),
  server(
    "RPC server",
    8,
    [rpcSession, ...joined(golden.sipyco("rpc", "client"), 4)],
    async () => {
      const rpc = new RpcServer({ target: new Target(), plain: new Target() }, { handshakeTimeoutMs: 500 });
      await rpc.start(HOST, 0);
      return { port: rpc.port, close: () => rpc.stop() };
    },
    async ({ port }) => {
      const sum = await using(Client.connect(HOST, port, { target: "target" }), (client) => client.call("add", [1, 2]));
      if (sum !== 3) throw new Error("1 + 2 is not 3");
    },
  ),
  server(
    "controller, look only",
    4,
    [boardSession],
    () =>
      served({}, async (controller) => {
        const one = await serveController(controller, { bind: HOST, port: 0, notifyPort: 0, allow: "look" });
        return { port: one.port, close: () => one.close() };
      }),
    async ({ port }) => {
      await using(Client.connect(HOST, port, { target: "board" }), (client) => client.getRpcMethodList());
    },
  ),
  server(
    "page, HTTP",
    8,
    [
      http("GET /", {}),
      http("GET /chip/0,0", {}),
      http("POST /call", { "content-type": "application/json" }, '{"target":"board","method":"version","args":[]}'),
      http("POST /call", { "content-type": "application/json" }, '{"target":"runs","method":"list","args":{}}'),
    ],
    () =>
      served({}, (controller) =>
        serveWeb(controller, { host: HOST, port: 0, token: pageKey, root: new URL("../../../dist/", import.meta.url) }),
      ),
    async ({ opened }) => {
      const answer = await fetch(`http://${HOST}:${opened.port}/`);
      if (answer.status !== 200) throw new Error(`the page answers ${answer.status}`);
    },
  ),
  server(
    "published state, server",
    6,
    [Buffer.from("ARTIQ sync_struct\nstate\n"), ...joined(golden.sipyco("sync", "client"), 2)],
    async () => {
      const publisher = new Publisher({ state: new Notifier({ a: 1 }) }, { handshakeTimeoutMs: 500 });
      await publisher.start(HOST, 0);
      return { port: publisher.port, close: () => publisher.stop() };
    },
    async ({ port }) => {
      let told;
      const first = new Promise((resolve) => {
        told = resolve;
      });
      await using(
        new Subscriber(
          "state",
          (value) => value,
          () => told(),
        ),
        async (subscriber) => {
          await subscriber.connect(HOST, port);
          await first;
        },
      );
    },
  ),
  server(
    "broadcast and log servers",
    6,
    [Buffer.from("ARTIQ logging\nm:INFO:n:x\nm:ERROR<3>:n:x\ny\nz\n")],
    async () => {
      const log = new LogServer(() => {}, { handshakeTimeoutMs: 500 });
      const broadcaster = new Broadcaster({ handshakeTimeoutMs: 500 });
      await log.start(HOST, 0);
      await broadcaster.start(HOST, 0);
      return { port: log.port, close: () => Promise.all([log.stop(), broadcaster.stop()]) };
    },
    async () => {},
  ),
  server(
    "IMD server",
    8,
    golden.imdClients,
    async () => {
      const imd = await IMDServer.listen(9, { host: HOST, goTimeoutMs: 200, lingerMs: 100 });
      return { port: imd.port, close: () => imd.close() };
    },
    async ({ port }) => {
      await using(IMDClient.connect(HOST, port, 9), (client) => client.getIMDSessionInfo());
    },
  ),
  client(
    "RPC client",
    6,
    joined(golden.sipyco("rpc", "server"), 4),
    CONNECTION.concat("ERR_SPINN_ARGUMENT"),
    async (host, port) => {
      await using(Client.connect(host, port, { timeoutMs: 300, connectTimeoutMs: 300 }), (one) => one.call("ping"));
    },
    lines,
  ),
  client("IMD client, socket", 6, golden.imdServers, [...CONNECTION, "ERR_SPINN_END_OF_STREAM"], async (host, port) => {
    await using(IMDClient.connect(host, port, 9, { connectTimeoutMs: 300, timeoutMs: 300, lingerMs: 50, frames: 4 }), async (one) => {
      for (let frames = 0; frames < 20; frames += 1) await one.getIMDFrame();
    });
  }),
  client(
    "spalloc client, socket",
    6,
    [Buffer.concat(golden.spallocAnswers.slice(0, 8).flatMap((one) => one.lines.slice(-1)))],
    CONNECTION,
    async (host, port) => {
      await using(SpallocClient.connect({ host, port, timeoutMs: 300, reconnectDelayMs: 10_000 }), async (one) => {
        await one.listMachines();
        await one.listJobs();
      });
    },
    (bytes) => [Buffer.alloc(0), ...lines(bytes)],
  ),
  client(
    "spalloc REST, socket",
    4,
    [
      rest('{"version":{"major-version":0,"minor-version":1,"revision":0},"csrf-header":"X-CSRF-TOKEN","csrf-token":"t"}'),
      rest('{"machines":[]}'),
    ],
    CONNECTION,
    async (host, port) => {
      const url = `http://${host}:${port}/spalloc/`;
      await using(SpallocWebClient.connect({ url, credentials: { username: "u", password: "p" }, timeoutMs: 300 }), (one) =>
        one.listMachines(),
      );
    },
    (bytes) => [Buffer.alloc(0), bytes],
  ),
];
