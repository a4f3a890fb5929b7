// Doors where bytes are given to a reader in process: fast, and every error is seen as it is thrown.
import { createHmac } from "node:crypto";
import { parseScript } from "../../../dist/bringup/index.js";
import * as commands from "../../../dist/commands/index.js";
import { readAplx } from "../../../dist/machine/aplx.js";
import { decodeRoutingTable } from "../../../dist/machine/index.js";
import { decodeJobMachine } from "../../../dist/services/allocation/job-machine.js";
import { decodeJobStatus } from "../../../dist/services/allocation/job-status.js";
import * as listing from "../../../dist/services/allocation/listing.js";
import { decodeLine } from "../../../dist/services/allocation/message.js";
import { parseServerVersion } from "../../../dist/services/allocation/server-version.js";
import * as web from "../../../dist/services/allocation/web-values.js";
import { decodePlace } from "../../../dist/services/allocation/where-is.js";
import { unpackCall } from "../../../dist/services/cluster/apply-message.js";
import { parseConnection, parseEngineConnection } from "../../../dist/services/cluster/connection-file.js";
import { MessageCodec } from "../../../dist/services/cluster/message.js";
import { readPickle } from "../../../dist/services/cluster/pickle-reader.js";
import { errorIn } from "../../../dist/services/cluster/remote-error.js";
import { readLogHead } from "../../../dist/services/publish/log-line.js";
import { Subscriber } from "../../../dist/services/publish/subscriber.js";
import { decode } from "../../../dist/services/rpc/index.js";
import { LineSplitter } from "../../../dist/services/rpc/line-splitter.js";
import {
  decodeIMDHandshake,
  decodeIMDSessionInfo,
  IMDFrameBuffer,
  IMDProducerV2,
  IMDProducerV3,
  imdSessionInfoV2,
} from "../../../dist/services/stream/index.js";
import { NotificationListener } from "../../../dist/services/stream/notification.js";
import { SQLiteFile } from "../../../dist/services/stream/sqlite-file.js";
import { BootRom } from "../../../dist/simulator/boot-rom.js";
import { firmwareOfImage, readCapture } from "../../../dist/simulator/index.js";
import { sessionOf } from "../../../dist/simulator/replay/index.js";
import { bootImageVersion, checkBootImage } from "../../../dist/transceiver/boot-image.js";
import * as wire from "../../../dist/wire/index.js";
import * as golden from "./goldens.mjs";

const chip = { x: 0, y: 0, p: 0 };
const text = (bytes) => bytes.toString("utf8");

/** Each reader by itself: one that throws must not hide the others. Throws an AggregateError of what they threw, with how many did not. */
function all(readers) {
  const errors = [];
  for (const read of readers) {
    try {
      read();
    } catch (error) {
      errors.push(error);
    }
  }
  if (errors.length > 0) throw Object.assign(new AggregateError(errors), { taken: readers.length - errors.length });
}

const requests = [
  commands.getVersion(chip),
  commands.getChipInfo(chip),
  commands.getTags(chip, 0),
  commands.getTagPool(chip),
  commands.readMemory(chip, 0x60000000, 16),
  commands.getFixedRoute(chip),
  commands.allocateSdram(chip, 30, 64),
  commands.getSdramSpace(chip),
  commands.countCores(chip, 30, 7),
  commands.newTag(chip, { host: "127.0.0.1", port: 17892 }),
];
const bmpRequests = [
  commands.getVersion(chip),
  commands.getBmpSerial(0),
  commands.getCanStatus(0),
  commands.getBoardStatus(0),
  commands.getBmpAddresses(0),
  commands.getBmpUptime(0),
];

/** As the pipeline does: whose length is not as promised gets to no decoder. */
function replyTo(bytes, possible) {
  wire.readSdpHeader(bytes);
  const { returnCode } = wire.decodeScpReply(bytes);
  const size = bytes.length - wire.SCP_REPLY_OFFSET;
  all(possible.filter(({ minReply, maxReply }) => size >= minReply && size <= maxReply).map((one) => () => one.decode(bytes, returnCode)));
}

/** A published structure whose publisher says anything. */
class Mirror extends Subscriber {
  constructor() {
    super("garbage", (value) => value);
  }
  take(value) {
    this.receive(value);
  }
}
const mirrors = golden.sipyco("sync", "server");
const initLine = mirrors.find((line) => line.includes('"init"')) ?? Buffer.from('{"action":"init","struct":{"a":[1,2],"b":{}}}\n');

const splitter = (bytes) => {
  const lines = [];
  const cut = new LineSplitter(4096);
  for (let at = 0; at < bytes.length; at += 97) cut.push(bytes.subarray(at, at + 97), lines);
};

/** The stream of an IMD server, as a client reads it: handshake, session, frames. */
function imdStream(bytes) {
  if (bytes.length < 8) return;
  const { version, byteOrder } = decodeIMDHandshake(bytes);
  let at = 8;
  let session = imdSessionInfoV2(byteOrder);
  if (version === 3) {
    if (bytes.length < 23) return;
    session = decodeIMDSessionInfo(bytes.subarray(8, 23), byteOrder);
    at = 23;
  }
  for (const nAtoms of [2, 9]) {
    const buffer = new IMDFrameBuffer(session, nAtoms, { frames: 2 });
    const producer = version === 3 ? new IMDProducerV3(buffer) : new IMDProducerV2(buffer);
    for (let fed = at; fed < bytes.length; ) {
      const end = Math.min(bytes.length, fed + 61);
      fed = producer.feed(bytes, fed, end);
      for (let frame = buffer.tryGet(); frame !== undefined; frame = buffer.tryGet()) frame.copy();
      if (fed < end && producer.stalled === false) break;
    }
  }
}

/** A pcap file of golden datagrams: Ethernet, IPv4, UDP. */
function capture(datagrams) {
  const header = Buffer.alloc(24);
  header.writeUInt32LE(0xa1b2c3d4, 0);
  header.writeUInt16LE(2, 4);
  header.writeUInt16LE(4, 6);
  header.writeUInt32LE(65535, 16);
  header.writeUInt32LE(1, 20);
  const packets = datagrams.map((data, i) => {
    const packet = Buffer.alloc(16 + 42 + data.length);
    packet.writeUInt32LE(i, 0);
    packet.writeUInt32LE(42 + data.length, 8);
    packet.writeUInt32LE(42 + data.length, 12);
    packet.writeUInt16BE(0x0800, 28);
    packet[30] = 0x45;
    packet.writeUInt16BE(28 + data.length, 32);
    packet[39] = 17;
    packet.set([127, 0, 0, 1 + (i % 2), 127, 0, 0, 2 - (i % 2)], 42);
    packet.writeUInt16BE(i % 2 === 0 ? 40000 : 17893, 50);
    packet.writeUInt16BE(i % 2 === 0 ? 17893 : 40000, 52);
    packet.writeUInt16BE(8 + data.length, 54);
    packet.set(data, 58);
    return packet;
  });
  return Buffer.concat([header, ...packets]);
}

const block = golden.bootImages[0].subarray(0, 1024);
const webGoldens = [
  '{"state":"READY","start-time":"2026-01-01T00:00:00Z","keepalive-host":"127.0.0.1","reason":null}',
  '{"power":"ON"}',
  '{"depth":3,"width":1,"height":1,"machine-name":"m","connections":[[[0,0],"10.0.0.1"]],"boards":[[0,0,0]]}',
  '{"machine":"m","logical-board-coordinates":[0,0,0],"physical-board-coordinates":[0,0,0],"chip":[0,0],"board-chip":[0,0]}',
  '{"name":"m","tags":["default"],"width":1,"height":1,"dead-boards":[{"x":0,"y":0,"z":1}],"dead-links":[[{"board":{"x":0,"y":0,"z":1},"direction":"N"}]]}',
].map((one) => Buffer.from(one));

const DELIMITER = Buffer.from("<IDS|MSG>");
/** A cluster's four parts, mutated, signed with the right key: past the signature a hostile peer is a friend. */
function signed(bytes) {
  const parts = bytes
    .toString("latin1")
    .split("\n", 4)
    .map((part) => Buffer.from(part, "latin1"));
  while (parts.length < 4) parts.push(Buffer.from("{}"));
  const mac = createHmac("sha256", golden.clusterKey);
  for (const part of parts) mac.update(part);
  return [DELIMITER, Buffer.from(mac.digest("hex")), ...parts];
}
const partsOf = (frames) => {
  const at = frames.findIndex((one) => one.equals(DELIMITER));
  return Buffer.concat(frames.slice(at + 2, at + 6).flatMap((one) => [one, Buffer.from("\n")]));
};

/** Frames behind each other with their lengths, so that one mutation may cut, join and swap them. */
const framed = (frames) => Buffer.concat(frames.flatMap((one) => [Buffer.from([one.length >>> 8, one.length & 255]), one]));
function unframed(bytes) {
  const frames = [];
  for (let at = 0; at + 2 <= bytes.length && frames.length < 64; ) {
    const size = bytes.readUInt16BE(at);
    frames.push(bytes.subarray(at + 2, at + 2 + size));
    at += 2 + size;
  }
  return frames;
}

function sqlite(bytes) {
  const file = new SQLiteFile("garbage.sqlite3", bytes);
  let rows = 0;
  all(
    file.tables.map((table) => () => {
      for (const _ of file.rows(table)) {
        rows += 1;
        if (rows > 20_000) return;
      }
    }),
  );
}

const PROTOCOL = ["ERR_SPINN_PROTOCOL"];
/** STATE and MEMORY: what a board answers that has no tag or no memory left. */
const REPLY = [...PROTOCOL, "ERR_SPINN_SHORT_REPLY", "ERR_SPINN_STATE", "ERR_SPINN_MEMORY"];
const FILE = ["ERR_SPINN_FILE"];

/** `take` throws what the reader throws; `codes` are those that its documentation names. `share`: how much of the whole comes here. */
export const codecDoors = [
  { name: "board replies", share: 90, goldens: golden.scpReplies, codes: REPLY, take: (bytes) => replyTo(bytes, requests) },
  { name: "BMP replies", share: 50, goldens: golden.bmpReplies, codes: REPLY, take: (bytes) => replyTo(bytes, bmpRequests) },
  {
    name: "requests and SDP",
    share: 50,
    goldens: golden.scpRequests,
    codes: PROTOCOL,
    take: (bytes) => all([() => wire.decodeScpRequest(bytes), () => wire.decodeSdp(bytes), () => decodeRoutingTable(bytes)]),
  },
  {
    name: "EIEIO",
    share: 90,
    goldens: golden.eieio,
    codes: PROTOCOL,
    open() {
      const into = wire.createEieioEvents();
      return {
        take: (bytes) =>
          all([
            () => wire.decodeEieioData(bytes),
            () => wire.decodeEieioCommand(bytes),
            () => wire.readEieioEvents(bytes, into),
            () => wire.eieioDataSize(bytes),
          ]),
      };
    },
  },
  {
    name: "notifications",
    share: 30,
    goldens: golden.eieio,
    codes: [],
    open() {
      let say;
      const onMessage = (listener) => {
        say = listener;
        return () => {};
      };
      const port = { onMessage, send: async () => {}, close: async () => {} };
      const listener = new NotificationListener(port, {});
      return { take: (bytes) => say(bytes, { address: "127.0.0.1", port: 1 }), close: () => listener.close() };
    },
  },
  { name: "PYON v1", share: 70, goldens: golden.pyon("v1"), codes: PROTOCOL, take: (bytes) => decode(text(bytes), { notation: "v1" }) },
  { name: "PYON v2", share: 70, goldens: golden.pyon("v2"), codes: PROTOCOL, take: (bytes) => decode(text(bytes), { notation: "v2" }) },
  { name: "lines", share: 20, goldens: golden.sipyco("rpc", "client"), codes: PROTOCOL, take: splitter },
  {
    name: "published state, client",
    share: 50,
    goldens: mirrors,
    codes: PROTOCOL,
    open() {
      const mirror = new Mirror();
      const renew = () => mirror.take(decode(text(initLine), { notation: "auto" }));
      return {
        take(bytes) {
          renew();
          mirror.take(decode(text(bytes), { notation: "auto" }));
        },
      };
    },
  },
  {
    name: "log lines",
    share: 10,
    goldens: golden.sipyco("log", "client").concat(Buffer.from("m:INFO<3>:n:x\ny\nz")),
    codes: [],
    take: (bytes) => readLogHead(text(bytes)),
  },
  { name: "IMD, client", share: 40, goldens: golden.imdServers, codes: PROTOCOL, take: imdStream },
  {
    name: "cluster messages, signed",
    share: 40,
    goldens: golden.clusterMessages.map(partsOf),
    codes: PROTOCOL,
    open() {
      const codec = new MessageCodec(golden.clusterKey);
      return {
        take(bytes) {
          const { content } = codec.decode(signed(bytes));
          errorIn(content, "the cluster");
        },
      };
    },
  },
  {
    name: "cluster messages, unsigned",
    share: 30,
    goldens: golden.clusterMessages.map(framed),
    codes: PROTOCOL,
    open() {
      let codec;
      let taken = 0;
      const signatures = new Set(
        golden.clusterMessages.map((frames) => frames[frames.findIndex((one) => one.equals(DELIMITER)) + 1].toString()),
      );
      return {
        take(bytes) {
          // A new one now and then: it takes no message twice.
          if (taken++ % 50 === 0) codec = new MessageCodec(golden.clusterKey);
          const frames = unframed(bytes);
          const message = codec.decode(frames);
          // Frames before and behind the signed parts may be others: the signature does not cover them.
          if (!signatures.has(frames[message.idents.length + 1].toString())) throw new Error("a message that nobody signed was taken");
        },
      };
    },
  },
  {
    name: "cluster pickles",
    share: 80,
    goldens: golden.pickledFrames.map(framed),
    codes: PROTOCOL,
    take: (bytes) => all([() => readPickle(unframed(bytes)), () => unpackCall(unframed(bytes))]),
  },
  {
    name: "cluster connection files",
    share: 10,
    goldens: golden.connectionFiles,
    codes: FILE,
    take(bytes) {
      const value = json(bytes);
      if (value !== undefined) all([() => parseConnection(value), () => parseEngineConnection(value)]);
    },
  },
  {
    name: "spalloc lines",
    share: 50,
    goldens: golden.spallocAnswers.flatMap(({ lines }) => lines),
    codes: [...PROTOCOL, "ERR_SPINN_WRONG_DEVICE"],
    take(bytes) {
      const message = decodeLine(text(bytes));
      if (message.kind !== "return") return;
      const { value } = message;
      const readers = [decodeJobStatus, decodeJobMachine, decodePlace, listing.decodeJobList, listing.decodeMachineList];
      all([...readers.map((read) => () => read(value)), () => typeof value === "string" && parseServerVersion(value)]);
    },
  },
  {
    name: "spalloc REST",
    share: 20,
    goldens: webGoldens,
    codes: PROTOCOL,
    take(bytes) {
      const value = json(bytes);
      if (typeof value !== "object" || value === null || Array.isArray(value)) return;
      all([
        () => web.decodeWebJobStatus(value, null),
        () => web.decodeWebPower(value),
        () => web.decodeWebJobMachine(value, { width: 1, height: 1 }),
        () => web.decodeWebPlace(value),
        () => web.decodeWebMachine(value),
      ]);
    },
  },
  {
    name: "boot ROM",
    share: 40,
    goldens: [wire.bootStart(2), wire.bootBlock(0, block), wire.bootBlock(1, block), wire.bootControl()].map((one) =>
      Buffer.from(wire.encodeBoot(one)),
    ),
    codes: PROTOCOL,
    open() {
      let rom = new BootRom();
      let taken = 0;
      return {
        take(bytes) {
          taken += 1;
          if (taken % 64 === 0) rom = new BootRom();
          rom.receive(bytes);
        },
      };
    },
  },
  { name: "applications (APLX)", share: 20, goldens: golden.applications, codes: FILE, take: readAplx },
  {
    name: "boot images",
    share: 20,
    goldens: golden.bootImages,
    codes: FILE,
    take: (bytes) => all([() => checkBootImage(bytes), () => bootImageVersion(bytes), () => firmwareOfImage(bytes)]),
  },
  {
    name: "captures (pcap)",
    share: 40,
    goldens: [capture([...golden.scpRequests.slice(0, 6), ...golden.scpReplies.slice(0, 6)])],
    codes: FILE,
    take: (bytes) => sessionOf(readCapture(bytes)),
  },
  { name: "databases (SQLite)", share: 4, goldens: golden.databases, codes: FILE, take: sqlite },
  {
    name: "bring-up scripts",
    share: 2,
    goldens: golden.scripts,
    codes: ["ERR_SPINN_SCRIPT"],
    take: (bytes) => parseScript(text(bytes), { path: golden.pathOf("bringup/spin5.yaml") }),
  },
];

function json(bytes) {
  try {
    return JSON.parse(text(bytes));
  } catch {
    return undefined;
  }
}
