// Good bytes of every protocol: the golden vectors of fixtures, as buffers.
import { readdirSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

const folder = new URL("../../../fixtures/", import.meta.url);
const file = (name) => readFileSync(new URL(name, folder));
const json = (name) => JSON.parse(file(name).toString("utf8"));
export const pathOf = (name) => fileURLToPath(new URL(name, folder));

const hex = (text) => Buffer.from(text, "hex");
const base64 = (text) => Buffer.from(text, "base64");
const frame = (one) => (typeof one === "string" ? Buffer.from(one, "utf8") : base64(one.b64));
const inDirection = (vectors, direction) => vectors.filter((one) => one.direction === direction).map((one) => hex(one.hex));

const [scp, bmp, imd, spalloc, pickles, sessions, cluster] = [
  "scp-vectors.json",
  "bmp-vectors.json",
  "imd.json",
  "spalloc.json",
  "cluster-pickle.json",
  "sipyco/sessions.json",
  "ipyparallel.json",
].map(json);

export const scpRequests = inDirection(scp, "request");
export const scpReplies = inDirection(scp, "reply");
export const bmpRequests = inDirection(bmp, "request");
export const bmpReplies = inDirection(bmp, "reply");
export const eieio = json("eieio.json").vectors.flatMap((one) => (typeof one.hex === "string" ? [hex(one.hex)] : []));
export const pyon = (notation) =>
  json("sipyco/pyon.json")
    .vectors.filter((one) => one.notation === notation && typeof one.pyon === "string")
    .map((one) => Buffer.from(one.pyon, "utf8"));

/** Lines of one side of sipyco's recorded sessions, of one protocol. */
export const sipyco = (kind, from) =>
  sessions.sessions
    .filter(({ name }) => name.startsWith(kind))
    .flatMap(({ exchange }) =>
      exchange.filter((one) => one.from === from && typeof one.line === "string").map(({ line }) => Buffer.from(line)),
    );

const side = (exchange, from) => Buffer.concat(exchange.filter((one) => one.from === from && one.hex).map((one) => hex(one.hex)));
export const imdServers = [
  ...imd.sessions.map(({ exchange }) => side(exchange, "server")),
  ...imd.malformed.map(({ server_hex }) => hex(server_hex)),
];
export const imdClients = imd.sessions.map(({ exchange }) => side(exchange, "client"));

/** Lines of spalloc servers, by the command that they answer. */
export const spallocAnswers = spalloc.exchanges.map(({ name, recv }) => ({
  name,
  lines: Object.values(recv)
    .flat()
    .filter((line) => line.endsWith("\n"))
    .map((line) => Buffer.from(line)),
}));
export const pickledFrames = [
  ...pickles.results.map((one) => [base64(one.pickle_b64)]),
  ...[...pickles.canned_bytes, ...pickles.numpy, ...pickles.refuse, ...pickles.apply_with_reference].map((one) =>
    one.buffers_b64.map(base64),
  ),
];
export const clusterKey = cluster.key;
export const clusterMessages = [...cluster.sessions, ...json("cluster-sessions.json").sessions].flatMap(({ events }) =>
  events.filter((one) => Array.isArray(one.frames)).map((one) => one.frames.map(frame)),
);
export const connectionFiles = Object.values(cluster.connection_files).map((one) => Buffer.from(JSON.stringify(one)));
export const databases = ["5.sqlite3", "7.sqlite3"].map((name) => file(`tool-chain/${name}`));
export const applications = readdirSync(new URL("apps/", folder))
  .filter((name) => name.endsWith(".aplx"))
  .map((name) => file(`apps/${name}`));
export const bootImages = [file("bringup/simulated.boot"), file("firmware/monitor.boot")];
export const scripts = [file("bringup/spin5.yaml")];
