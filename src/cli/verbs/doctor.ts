import { promises as dns } from "node:dns";
import { isIPv4 } from "node:net";
import { type DatagramChannel, UDPConnection } from "../../connections/index.js";
import { SpinnError } from "../../errors.js";
import { BMPTransceiver, findBoards, Transceiver } from "../../transceiver/index.js";
import { addBoardOptions, type ChosenBoard, chooseBoard, resolveBoard } from "../board.js";
import { formatTime, plural } from "../format.js";
import type { Job, Verb } from "../job.js";
import { neighbourState } from "../neighbour.js";
import { readings } from "../sensor-table.js";
import { ExitStatus, statusOf } from "../status.js";
import type { Meaning } from "../terminal.js";
import { versionText } from "../version-text.js";

/** What one look has shown. */
interface Finding {
  readonly step: string;
  readonly verdict: "ok" | "odd" | "bad";
  readonly found: string;
  /** What to do about it. */
  readonly advice?: string;
}

/** Questions whose losses are counted. */
const PINGS = 200;
/** Round trips above this are unusual on a local network, ms. */
const SLOW_MS = 20;
/** Longer than the pause between two hellos of an unbooted board, ms. */
const HELLO_MS = 4500;

export const verb: Verb = {
  configure: (command) => void addBoardOptions(command).argument("[host]", "board (default: as --host)"),
  examples: ["doctor 192.168.240.1 # why does it not answer?", "doctor --json --host 192.168.240.1"],
  statuses: [1, 3, 4, 9],
  async run(job, command) {
    const given = command.args[0];
    if (given !== undefined) command.setOptionValue("host", given);
    const board = await chooseBoard(job, command);
    const { host, port = 17893 } = board;
    const findings: Finding[] = [];
    const tell = (finding: Finding): void => {
      findings.push(finding);
      if (!job.isJson) job.terminal.out(findingText(job, finding));
    };
    const status = await examine(job, { ...board, port }, tell);
    job.result({ host, port, findings, status }, () => {
      const bad = findings.filter(({ verdict }) => verdict === "bad").length;
      const odd = findings.filter(({ verdict }) => verdict === "odd").length;
      if (bad > 0) return "\nnot well: see what is marked BAD\n";
      return odd > 0 ? `\nusable, with ${plural(odd, "oddity", "oddities")}\n` : "\nwell\n";
    });
    return status;
  },
};

/** One question after the other; each one that fails makes those behind it pointless. */
async function examine(job: Job, board: ChosenBoard & { readonly port: number }, tell: (finding: Finding) => void): Promise<number> {
  const { host, port, open } = board;
  let address = host;
  // Names are looked up by whoever sends: with a controller in between, there.
  if (!isIPv4(host) && open === undefined) {
    try {
      address = (await dns.lookup(host, { family: 4 })).address;
      tell({ step: "name", verdict: "ok", found: `${host} is ${address}` });
    } catch {
      tell({
        step: "name",
        verdict: "bad",
        found: `nobody knows the name "${host}"`,
        advice: "check the spelling, or use the IPv4 address: 192.168.240.1 is what boards come with",
      });
      return ExitStatus.UNREACHABLE;
    }
  }
  try {
    const found = await wayTo(board, address, job.signal);
    tell({ step: "route", verdict: "ok", found });
  } catch (error) {
    tell({
      step: "route",
      verdict: "bad",
      found: `no way to ${address}: ${(error as Error).message}`,
      advice: "give this computer an address in the board's network, e.g. 192.168.240.254/24 on the interface the board is plugged into",
    });
    return ExitStatus.UNREACHABLE;
  }
  try {
    await using machine = await Transceiver.connect({ host: address, port, open, signal: job.signal, probeMs: 2000, readyMs: 3000 });
    const { version } = machine;
    tell({
      step: "answer",
      verdict: "ok",
      found: `${version.name} ${versionText(version)}, built ${formatTime(version.buildDate)}, root chip ${version.x},${version.y}`,
    });
    await examineLine(board, address, job, tell);
    return await examineMachine(job, machine, tell);
  } catch (error) {
    if (!(error instanceof SpinnError) || job.signal.aborted) throw error;
    return await explain(job, error, board, address, tell);
  }
}

/** Which way datagrams take, in words. Nothing is sent. */
async function wayTo({ port, open }: ChosenBoard & { readonly port: number }, address: string, signal: AbortSignal): Promise<string> {
  if (open !== undefined) {
    const channel: DatagramChannel = await open(address, port, { signal });
    await channel.close();
    return `through the controller, which sends to ${address}`;
  }
  await using udp = await UDPConnection.open({ remoteHost: address, remotePort: port, signal });
  return `this computer would speak from ${udp.local.replace(/:\d+$/, "")}`;
}

/** Losses and times of many small questions. */
async function examineLine(
  { port, open }: ChosenBoard & { readonly port: number },
  host: string,
  job: Job,
  tell: (finding: Finding) => void,
): Promise<void> {
  await using board = await Transceiver.connect({ host, port, open, signal: job.signal });
  for (let i = 0; i < PINGS; i += 1) await board.readVersion({ x: 255, y: 255 }, { signal: job.signal });
  const { resent, roundTripMs = 0, duplicates, late } = board.connections[0]!.pipeline.counters;
  // A question that was repeated although its answer came, only later, says that one of the computers was busy; nothing was lost.
  const lost = Math.max(0, resent - duplicates - late);
  const twice = Math.max(0, duplicates - resent);
  const trip = `round trip ${roundTripMs.toFixed(2)} ms`;
  if (lost > 0) {
    tell({
      step: "line",
      verdict: "odd",
      found: `${lost} of ${PINGS} questions or answers were lost, ${trip}`,
      advice: "is there a wireless link, a full switch or a bad cable on the way? Connect the board directly to compare",
    });
  } else if (twice > 0) {
    tell({
      step: "line",
      verdict: "odd",
      found: `${plural(twice, "answer")} came twice, ${trip}`,
      advice: "is the network looped, or are two boards at one address?",
    });
  } else if (roundTripMs > SLOW_MS) {
    tell({ step: "line", verdict: "odd", found: trip, advice: "that is slow for a local network: expect slow transfers" });
  } else tell({ step: "line", verdict: "ok", found: `${PINGS} questions, ${PINGS} answers, ${trip}` });
}

async function examineMachine(job: Job, board: Transceiver, tell: (finding: Finding) => void): Promise<number> {
  if (board.version.version.major < 3) {
    tell({
      step: "version",
      verdict: "bad",
      found: `SC&MP ${versionText(board.version)} is too old`,
      advice: "boot with an image of SC&MP 3.4 or newer",
    });
    return ExitStatus.WRONG_TARGET;
  }
  const tags = await board.listIpTags({ signal: job.signal });
  const lent = tags.filter((tag) => tag.tag >= 8 && tag.inUse && !tag.transient);
  if (lent.length > 0) {
    tell({
      step: "tags",
      verdict: "odd",
      found: `${lent.length} of 8 places that replies need are taken for good: ${lent.map(({ tag, host = "?" }) => `tag ${tag} by ${host}`).join(", ")}`,
      advice: "other hosts hold them: they should use tags 0 to 7; spinn tags clear N --force frees one",
    });
  } else tell({ step: "tags", verdict: "ok", found: `${tags.filter((tag) => tag.inUse && !tag.transient).length} of 8 tags in use` });
  const { machine, problems } = await board.discover(job.calls);
  const expected = [...machine.geometry.chips()].length;
  const found = `${machine.chips.size} of ${expected} chips, ${machine.coreCount} cores`;
  const isOdd = problems.length > 0 || machine.chips.size < expected;
  const advice =
    problems.length > 0 ? problems.join("; ") : "dead chips are usual on some boards; if there are more than before, power-cycle the board";
  tell({ step: "machine", verdict: isOdd ? "odd" : "ok", found, ...(isOdd ? { advice } : {}) });
  return ExitStatus.DONE;
}

/** What the silence, the refusal or the wrong answer of a board means. */
async function explain(
  job: Job,
  error: SpinnError,
  board: ChosenBoard,
  address: string,
  tell: (finding: Finding) => void,
): Promise<number> {
  const status = statusOf(error);
  if (error.code === "ERR_SPINN_UNREACHABLE") {
    tell({
      step: "answer",
      verdict: "bad",
      found: "the host is there and refuses the port",
      advice: "it is no SpiNNaker board (a board without SC&MP is silent, it never refuses): check the address",
    });
    return status;
  }
  if (error.code === "ERR_SPINN_WRONG_DEVICE" && error.message.includes("BMP")) {
    tell({
      step: "answer",
      verdict: "bad",
      found: "this is a board management processor, not a board",
      advice: `the board itself is usually at ${neighbour(address, 1) ?? "the next address"}`,
    });
    return status;
  }
  if (error.code === "ERR_SPINN_BOOT") {
    tell({
      step: "answer",
      verdict: "bad",
      found: error.message,
      advice: "it is in the middle of booting, or stuck: power-cycle it and boot it again",
    });
    return status;
  }
  tell({
    step: "answer",
    verdict: "bad",
    found: error.code === "ERR_SPINN_TIMEOUT" ? "silence" : error.message,
    ...(error.code === "ERR_SPINN_TIMEOUT" ? {} : { advice: error.hint ?? "see above" }),
  });
  if (error.code === "ERR_SPINN_TIMEOUT" && (board.open !== undefined || (await isAnybody(address, tell)))) {
    await askBmp(job, board, address, tell);
    if (board.open === undefined) await listenForHello(job, address, tell);
  }
  return status;
}

/** Whether there may be anybody at a silent address: what the network's lowest layer knows. */
async function isAnybody(address: string, tell: (finding: Finding) => void): Promise<boolean> {
  const neighbour = await neighbourState(address);
  if (neighbour === "absent") {
    const advice =
      "is the board powered and the cable in? If so its address is another one: spinn discover hears boards that are not booted";
    tell({ step: "network", verdict: "bad", found: `nobody on this network has the address ${address}`, advice });
  } else if (neighbour === "present") {
    tell({
      step: "network",
      verdict: "ok",
      found: `something has the address ${address}, and says nothing to SCP`,
      advice: "a board that is not booted, or a firewall (on this computer too) that drops UDP from port 17893",
    });
  }
  return neighbour !== "absent";
}

/** A board that has power and is not booted says so, every 4.1 s; a firewall keeps that from us as well. */
async function listenForHello(job: Job, address: string, tell: (finding: Finding) => void): Promise<void> {
  job.terminal.progress.note("listening for an unbooted board");
  try {
    const isEnough = (found: readonly { readonly host: string }[]): boolean => found.some(({ host }) => host === address);
    const boards = await findBoards({ forMs: HELLO_MS, signal: job.signal, isEnough });
    const hello = boards.find(({ host }) => host === address);
    if (hello !== undefined) {
      const found = `it is not booted: its boot ROM ${hello.rom} says hello`;
      tell({ step: "boot", verdict: "bad", found, advice: `spinn boot scamp.boot --host ${address}` });
      return;
    }
    const others = boards.map(({ host }) => host);
    const heard = others.length === 0 ? "" : `; unbooted boards were heard at ${others.join(", ")}`;
    tell({
      step: "boot",
      verdict: "odd",
      found: `no hello of an unbooted board came from it in ${HELLO_MS / 1000} s${heard}`,
      advice: "it is off, elsewhere, or behind a router or a firewall that drops UDP: let UDP 17893 and 54321 through, in both directions",
    });
  } catch (error) {
    if (!(error instanceof SpinnError) || job.signal.aborted) throw error;
    tell({
      step: "boot",
      verdict: "odd",
      found: `whether it is booted cannot be heard: ${error.message}`,
      advice: "is spinn discover running?",
    });
  }
}

/** A silent board: its BMP, if it has one, knows whether it has power. */
async function askBmp(job: Job, board: ChosenBoard, address: string, tell: (finding: Finding) => void): Promise<void> {
  const known = board.bmp === undefined ? undefined : resolveBoard(board.bmp, undefined);
  const candidate = known?.host ?? (board.open === undefined ? neighbour(address, -1) : undefined);
  const boot =
    "if it has power it needs booting (spinn boot); spinn discover hears unbooted boards. Also check cable, address, and a firewall that drops UDP";
  try {
    if (candidate === undefined) throw new SpinnError("ERR_SPINN_TIMEOUT", "no neighbour");
    await using bmp = await BMPTransceiver.connect({
      host: candidate,
      port: known?.port,
      open: board.open,
      signal: job.signal,
      probeMs: 1500,
    });
    const sensors = readings(await bmp.readSensors(0, { signal: job.signal }));
    const isOff = sensors.some(({ name, verdict }) => name.startsWith("1.2 V") && verdict === "off");
    if (isOff)
      tell({
        step: "BMP",
        verdict: "bad",
        found: `the BMP at ${candidate} answers: board 0 has no power`,
        advice: `spinn power on 0 --bmp ${candidate}, then boot`,
      });
    else
      tell({
        step: "BMP",
        verdict: "odd",
        found: `the BMP at ${candidate} answers: board 0 has power`,
        advice: "it is not booted: spinn boot IMAGE",
      });
  } catch (error) {
    if (job.signal.aborted) throw error;
    tell({
      step: "BMP",
      verdict: "odd",
      found: candidate === undefined ? "no BMP is known" : `no BMP answers at ${candidate}`,
      advice: boot,
    });
  }
}

/** The address so many above, within the last octet. */
function neighbour(address: string, step: number): string | undefined {
  const match = /^(\d+\.\d+\.\d+\.)(\d+)$/.exec(address);
  const last = Number(match?.[2]) + step;
  return match === null || last < 0 || last > 255 ? undefined : `${match[1]}${last}`;
}

const MARKS: Readonly<Record<Finding["verdict"], readonly [string, Meaning]>> = {
  ok: ["ok ", "good"],
  odd: ["odd", "odd"],
  bad: ["BAD", "bad"],
};

function findingText(job: Job, { step, verdict, found, advice }: Finding): string {
  const [mark, meaning] = MARKS[verdict];
  return `${job.terminal.paint(meaning, mark)}  ${step.padEnd(8)} ${found}\n${advice === undefined ? "" : `     ${" ".repeat(8)} ${advice}\n`}`;
}
