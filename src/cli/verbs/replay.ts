import { Option } from "commander";
import { SpinnError } from "../../errors.js";
import type { Capture, Difference, Endpoint, Exchange, ReplayReport, Session, SimulatedMachine } from "../../simulator/index.js";
import { BOOT_PORT, SCP_PORT } from "../../wire/index.js";
import { parsePort, resolveBoard } from "../board.js";
import { readInputFile } from "../file.js";
import { plural } from "../format.js";
import type { Job, Verb } from "../job.js";
import { parseDuration, parseFactor } from "../number.js";
import { BOARD_KINDS, type BoardKind, type CoreKind, coreKindOption, coresOf, parseBoard } from "../simulated.js";
import { ExitStatus } from "../status.js";
import { usage } from "../usage.js";

interface Options {
  readonly host?: string;
  readonly bmp?: string;
  readonly bootPort?: number;
  readonly recorded?: string;
  readonly board?: BoardKind;
  readonly scamp?: string;
  readonly cores?: CoreKind;
  readonly unbooted?: boolean;
  readonly booted?: boolean;
  readonly timeScale?: number;
  readonly pace?: number;
  readonly timeout?: number;
  readonly strict?: boolean;
}

/** Bytes of an answer on one line. */
const LINE = 32;
/** Differences that are printed; --json has the first thousand. */
const MAX_PRINTED = 20;

export const verb: Verb = {
  configure: (command) =>
    void command
      .argument("<session.pcap>", "recording: of spinn simulate --record, or of tcpdump -w on a network with a board")
      .option("--host <host>", "board that gets the requests, host or host:port; they change it (default: a fresh simulated machine)")
      .option("--bmp <host>", "its BMP, for what the session says to one (default: that is left out)")
      .option("--boot-port <n>", "UDP port of the boot ROM of that board (default: 54321)", parsePort)
      .option("--recorded <host>", "which board of the recording is meant, by its address there (default: the only one)")
      .option("--board <kind>", `simulated machine: ${BOARD_KINDS} (default: spin5)`, parseBoard)
      .addOption(new Option("--scamp <version>", "version of its SC&MP (default: 4.0.0)").choices(["4.0.0", "3.4.1"]))
      .addOption(coreKindOption())
      .option("--unbooted", "it waits for a boot image (default: when the session begins to boot one)")
      .option("--booted", "it is booted already")
      .option("--time-scale <factor>", "multiplies the time that its boot and power take (default: 1)", (text) =>
        parseFactor("--time-scale", text),
      )
      .option("--pace <factor>", "multiplies the pauses of the recording, of 10 s at most; 0 for none (default: 1)", (text) =>
        text === "0" ? 0 : parseFactor("--pace", text),
      )
      .option("--timeout <time>", "how much longer than in the recording an answer may take (default: 1s)", (text) =>
        parseDuration("--timeout", text),
      )
      .option("--strict", "compare every byte, and count answers where the recording has none"),
  examples: [
    "replay session.pcap --board spin5 # a session with a simulated machine, on a fresh one",
    "replay session.pcap --host 192.168.240.1 --json # does the board answer the same? Everything in it is sent to that board",
  ],
  statuses: [1, 3, 4],
  async run(job, command) {
    const options = command.opts<Options>();
    const path = command.args[0]!;
    const { MAY_DIFFER, readCapture, replaySession, sessionOf } = await import("../../simulator/index.js");
    checkTarget(options);
    const capture = readCapture(await readInputFile(path, "recording"));
    const session = sessionOf(capture);
    if (session.exchanges.length === 0) throw noSession(path, capture);
    sayLosses(job, capture, session);
    await using machine = options.host === undefined ? await simulate(job, options, session) : undefined;
    const route = machine === undefined ? routeToHost(session, options) : routeToMachine(session, machine);
    const { pace, timeout, strict } = options;
    let printed = 0;
    const report = await replaySession(session, route, {
      signal: job.signal,
      ...(pace === undefined ? {} : { pace }),
      ...(timeout === undefined ? {} : { timeoutMs: timeout }),
      ...(strict === undefined ? {} : { strict }),
      onProgress: (done, total) => job.terminal.progress.update({ what: "replaying", done, total, unit: "packets" }),
      onDifference: (difference) => {
        printed += 1;
        if (!job.isJson && printed <= MAX_PRINTED) job.result({}, () => differenceText(difference));
      },
    });
    job.terminal.progress.clear();
    const { differences, ...counts } = report;
    const mayDiffer = strict === true ? [] : MAY_DIFFER;
    job.result({ file: path, ...counts, mayDiffer, differences: differences.map(differenceData) }, () => reportText(report, printed));
    if (job.isVerbose) for (const line of mayDiffer) job.say(`not compared: ${line}`);
    return report.different === 0 ? ExitStatus.DONE : ExitStatus.NO;
  },
};

function checkTarget({ host, bmp, board, scamp, cores, unbooted, booted, timeScale, recorded, bootPort }: Options): void {
  const simulated = [board, scamp, cores, unbooted, booted, timeScale].some((option) => option !== undefined);
  if (host !== undefined && simulated)
    throw usage("--host is a board; the other options are for a simulated machine", "leave one of them out");
  const ofHost = [bmp, recorded, bootPort].some((option) => option !== undefined);
  if (host === undefined && ofHost) throw usage("--bmp, --boot-port and --recorded go with --host");
  if (unbooted === true && booted === true) throw usage("--unbooted or --booted, not both");
}

async function simulate(job: Job, options: Options, session: Session): Promise<SimulatedMachine> {
  const { SimulatedMachine: Machine } = await import("../../simulator/index.js");
  const { unbooted = options.booted !== true && bootsFirst(session), scamp, timeScale, cores } = options;
  const boards = session.targets.filter(({ kind }) => kind === "board").length;
  if (unbooted) job.say("the machine is not booted: the session brings the image");
  const machine = await Machine.start({
    board: options.board ?? "spin5",
    port: 0,
    booted: !unbooted,
    signal: job.signal,
    programs: await coresOf(cores ?? "arm", job),
    ...(scamp === undefined ? {} : { scamp }),
    ...(timeScale === undefined ? {} : { timeScale }),
  });
  if (boards <= machine.boards.length) return machine;
  await machine.close();
  throw usage(
    `the session talks to ${boards} boards, the machine has ${plural(machine.boards.length, "board")}`,
    "choose --board triads:WxH",
  );
}

/** Whether the first thing with an effect is an image. */
function bootsFirst({ exchanges }: Session): boolean {
  const boot = exchanges.find(({ kind }) => kind === "boot");
  const answered = exchanges.find(({ kind, answer }) => kind === "board" && answer !== undefined);
  return boot !== undefined && (answered === undefined || boot.number < answered.number);
}

type Route = (exchange: Exchange) => Endpoint | undefined;

/** Boards and BMPs of the recording, in the order of their addresses, are those of the machine in theirs. */
function routeToMachine({ targets }: Session, machine: SimulatedMachine): Route {
  const boards = targets.filter(({ kind }) => kind === "board");
  const bmps = targets.filter(({ kind }) => kind === "bmp");
  const hosts = boards.length > 0 ? boards.map(({ host }) => host) : targets.filter(({ kind }) => kind === "boot").map(({ host }) => host);
  return ({ target, kind }) => {
    if (kind === "bmp") return machine.bmps[bmps.findIndex((bmp) => isSame(bmp, target))]?.address;
    const board = machine.boards[hosts.indexOf(target.host)];
    if (board === undefined || kind === "board") return board?.address;
    return kind === "boot" ? board.boot.address : { host: board.address.host, port: target.port };
  };
}

/** One board of the recording is the named one; what goes to others is left out. */
function routeToHost({ targets }: Session, options: Options): Route {
  const hosts = [...new Set(targets.filter(({ kind }) => kind !== "bmp").map(({ host }) => host))];
  const recorded = options.recorded ?? hosts[0];
  if (options.recorded === undefined && hosts.length > 1)
    throw usage(`the recording has ${hosts.length} boards, --host is one`, `name it with --recorded: ${hosts.join(" ")}`);
  if (options.recorded !== undefined && !hosts.includes(options.recorded))
    throw usage(`the recording has no board ${options.recorded}`, `it has ${hosts.join(" ")}`);
  const board = resolveBoard(options.host!, undefined);
  const bmp = options.bmp === undefined ? undefined : resolveBoard(options.bmp, undefined);
  return ({ target, kind }) => {
    if (kind === "bmp") return bmp === undefined ? undefined : { host: bmp.host, port: bmp.port ?? SCP_PORT };
    if (target.host !== recorded) return undefined;
    if (kind === "board") return { host: board.host, port: board.port ?? SCP_PORT };
    return { host: board.host, port: kind === "boot" ? (options.bootPort ?? BOOT_PORT) : target.port };
  };
}

function noSession(path: string, { datagrams, skipped }: Capture): SpinnError {
  return new SpinnError(
    "ERR_SPINN_FILE",
    `${path} holds no session with a board: ${plural(datagrams.length, "datagram")}, ${plural(skipped.other, "other packet")}`,
    { hint: "requests go to UDP port 17893 or 54321" },
  );
}

function sayLosses(job: Job, { skipped, isCutOff }: Capture, { foreign }: Session): void {
  if (isCutOff) job.say("the recording ends in the middle of a packet");
  if (skipped.cut > 0) job.say(`${plural(skipped.cut, "packet")} are recorded in part only: record with tcpdump -s 0`);
  if (skipped.fragments > 0) job.say(`${plural(skipped.fragments, "fragment")} left out`);
  if (skipped.malformed > 0) job.say(`${plural(skipped.malformed, "malformed packet")} left out`);
  if (foreign > 0) job.say(`${plural(foreign, "datagram")} of others left out`);
}

function differenceText({ number, timeMs, target, request, kind, expected, seen, at }: Difference): string {
  const head = `request ${number}, ${(timeMs / 1000).toFixed(3)} s, to ${target.host}:${target.port}: ${request}\n`;
  if (kind === "missing") return `${head}${bytesText("  recorded", expected)}  seen      no answer\n`;
  if (kind === "extra") return `${head}  recorded  no answer\n${bytesText("  seen    ", seen)}`;
  return `${head}${bytesText("  recorded", expected)}${bytesText("  seen    ", seen)}  differ    ${rangesText(at)}\n`;
}

function bytesText(name: string, bytes: Uint8Array = new Uint8Array()): string {
  const hex = Buffer.from(bytes).toString("hex");
  const lines = hex.match(new RegExp(`.{1,${2 * LINE}}`, "g")) ?? [];
  const words = lines.map((line) => line.match(/.{1,8}/g)!.join(" "));
  return `${name}  ${plural(bytes.length, "byte")}\n${words.map((line, i) => `    ${String(i * LINE).padStart(4)}  ${line}\n`).join("")}`;
}

/** `bytes 3, 14-17`. */
function rangesText(at: readonly number[]): string {
  const ranges: [number, number][] = [];
  for (const offset of at) {
    const last = ranges.at(-1);
    if (last !== undefined && last[1] === offset - 1) last[1] = offset;
    else ranges.push([offset, offset]);
  }
  return `bytes ${ranges.map(([from, to]) => (from === to ? `${from}` : `${from}-${to}`)).join(", ")}`;
}

function differenceData({ expected, seen, ...rest }: Difference): Record<string, unknown> {
  const base64 = (bytes: Uint8Array | undefined): string | null => (bytes === undefined ? null : Buffer.from(bytes).toString("base64"));
  return { ...rest, expected: base64(expected), seen: base64(seen) };
}

function reportText(report: ReplayReport, printed: number): string {
  const { sent, compared, same, different, extra, skipped, redirected } = report;
  const more = printed > MAX_PRINTED ? `${printed - MAX_PRINTED} more differences (--json has them)\n` : "";
  const asides = [
    ...(extra === 0 ? [] : [`${plural(extra, "answer")} where the recording has none`]),
    ...(skipped === 0 ? [] : [`${plural(skipped, "request")} to others left out`]),
    ...(redirected === 0 ? [] : [`${plural(redirected, "tag")} led to this computer instead`]),
  ];
  const verdict = different === 0 ? "all the same" : `${same} the same, ${different} different`;
  return `${more}${plural(sent, "request")}, ${plural(compared, "answer")} compared: ${verdict}${asides.map((words) => `; ${words}`).join("")}\n`;
}

function isSame(a: Endpoint, b: Endpoint): boolean {
  return a.host === b.host && a.port === b.port;
}
