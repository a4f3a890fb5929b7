import type { TagEntry, Transceiver } from "../../transceiver/index.js";
import { addBoardOptions, parsePort, withBoard } from "../board.js";
import { confirm } from "../confirm.js";
import { addDryRun, isDryRun } from "../dry-run.js";
import type { Job, Verb } from "../job.js";
import { nearestWord } from "../nearest.js";
import { parseInteger } from "../number.js";
import { isForeign, tagText } from "../ownership.js";
import { parsePlace } from "../place.js";
import { formatTable } from "../table.js";
import { usage } from "../usage.js";

interface Options {
  readonly on?: { readonly x: number; readonly y: number };
  readonly strip?: boolean;
  readonly all?: boolean;
  readonly force?: boolean;
  readonly sdpPort?: number;
}

/** What the words ask for, checked before anything is sent. */
type Order =
  | { readonly action: "list" }
  | { readonly action: "clear"; readonly tag: number }
  | { readonly action: "set"; readonly tag: number; readonly host: string | undefined; readonly port: number }
  | { readonly action: "reverse"; readonly tag: number; readonly port: number; readonly x: number; readonly y: number; readonly p: number };

const ACTIONS = ["list", "set", "reverse", "clear"];

export const verb: Verb = {
  configure: (command) =>
    void addDryRun(addBoardOptions(command))
      .usage("[list | set TAG HOST:PORT | reverse TAG PORT x,y,p | clear TAG] [options]")
      .argument(
        "[words...]",
        "list (default); set TAG HOST:PORT; reverse TAG PORT x,y,p; clear TAG. TAG is 0 to 7, HOST may be . for this computer",
      )
      .option("--on <chip>", "Ethernet chip x,y whose tags are meant (default: the root chip)", parsePlace)
      .option("--strip", "set: send the SDP payload alone, without its header")
      .option("--sdp-port <n>", "reverse: SDP port of the core, 1 to 7 (default: 1)", (text) => parseInteger("--sdp-port", text, 1, 7))
      .option("--force", "also a tag that sends to another host")
      .option("-a, --all", "list: also tags that are not in use"),
  examples: [
    "tags # which tags are in use",
    "tags set 1 192.168.240.254:17892 --strip",
    "tags reverse 2 12345 0,0,3 # what comes in on UDP 12345 goes to core 0,0,3",
  ],
  statuses: [3, 4, 5, 8, 9],
  async run(job, command) {
    const order = parseOrder(command.args);
    const options = command.opts<Options>();
    if (order.action !== "list" && isDryRun(job, command, orderText(order))) return;
    await withBoard(job, command, (board) => obey(job, board, order, options));
  },
};

async function obey(job: Job, board: Transceiver, order: Order, options: Options): Promise<void> {
  const calls = { signal: job.signal, ...(options.on === undefined ? {} : { ethernet: { x: options.on.x, y: options.on.y } }) };
  if (order.action === "list") {
    const tags = (await board.listIpTags(calls)).filter((tag) => tag.inUse || options.all);
    job.result({ board: board.remote, tags }, () => (tags.length === 0 ? "no tag is in use\n" : tagsText(tags, job.terminal.columns)));
    return;
  }
  const before = await board.getIpTag(order.tag, calls);
  // A tag that sends here, or there already, is nobody else's.
  const isSame = order.action === "set" && order.host === before.host && order.port === before.port;
  if (isForeign(board, before) && !isSame) {
    await confirm(job, `this would disturb another host: ${tagText(before)}`, options.force, "--force");
  }
  if (order.action === "clear") await board.clearIpTag(order.tag, calls);
  else if (order.action === "set") {
    const { host, port } = order;
    await board.setIpTag(order.tag, { host, port, strip: options.strip === true }, calls);
  } else
    await board.setReverseIpTag(
      order.tag,
      { port: order.port, x: order.x, y: order.y, p: order.p, ...(options.sdpPort === undefined ? {} : { sdpPort: options.sdpPort }) },
      calls,
    );
  const now = await board.getIpTag(order.tag, calls);
  job.result({ board: board.remote, action: order.action, tag: now }, () =>
    now.inUse ? tagsText([now], job.terminal.columns) : `tag ${order.tag} is clear\n`,
  );
}

function orderText(order: Exclude<Order, { action: "list" }>): string {
  if (order.action === "clear") return `clear tag ${order.tag}`;
  if (order.action === "set") return `set tag ${order.tag} to ${order.host ?? "this computer"}:${order.port}`;
  return `make tag ${order.tag} listen to UDP ${order.port} for core ${order.x},${order.y},${order.p}`;
}

function parseOrder(words: readonly string[]): Order {
  const [action = "list", ...rest] = words;
  const tag = (): number => parseInteger("tag", rest[0] ?? missing("the number of the tag, 0 to 7"), 0, 7);
  const done = (count: number): void => {
    if (rest.length > count) throw usage(`"${rest[count]}" is one word too many`);
  };
  switch (action) {
    case "list":
      done(0);
      return { action };
    case "clear":
      done(1);
      return { action, tag: tag() };
    case "set": {
      done(2);
      const match = /^(.+):(\w+)$/.exec(rest[1] ?? missing("where to: HOST:PORT"));
      if (match === null) throw usage(`"${rest[1]}" is no HOST:PORT`, "write e.g. 192.168.240.254:17892, or .:17892 for this computer");
      return { action, tag: tag(), host: match[1] === "." ? undefined : match[1], port: parsePort(match[2]!) };
    }
    case "reverse": {
      done(3);
      const port = parsePort(rest[1] ?? missing("the UDP port to listen to"));
      const { x, y, p } = parsePlace(rest[2] ?? missing("the core x,y,p that gets it"));
      if (p === undefined) throw usage(`"${rest[2]}" names no core`, "a core is written x,y,p, e.g. 0,0,3");
      return { action, tag: tag(), port, x, y, p };
    }
    default: {
      const near = nearestWord(action, ACTIONS);
      throw usage(`tags: there is no "${action}"`, near === undefined ? `known are ${ACTIONS.join(", ")}` : `did you mean ${near}?`);
    }
  }
}

function missing(what: string): never {
  throw usage(`${what} is missing`, "spinn tags --help shows how it is used");
}

function tagsText(tags: readonly TagEntry[], columns: number): string {
  const rows = tags.map((tag) => {
    const core = `${tag.destination.x},${tag.destination.y},${tag.destination.p} port ${tag.destination.sdpPort}`;
    const kind = [
      tag.reverse ? "reverse" : "to host",
      tag.strip ? "strip" : "",
      tag.transient ? "lent to a reply" : "",
      tag.resolving ? "asks for the MAC" : "",
    ];
    return [
      String(tag.tag),
      tag.inUse ? kind.filter((word) => word !== "").join(", ") : "free",
      tag.inUse && tag.host !== undefined ? `${tag.host}:${tag.port}` : "",
      tag.inUse && tag.reverse ? `UDP ${tag.rxPort} to ${core}` : "",
      String(tag.packetsSent),
    ];
  });
  return formatTable(
    [{ title: "tag", align: "right" }, { title: "kind" }, { title: "host" }, { title: "listens" }, { title: "sent", align: "right" }],
    rows,
    columns,
  );
}
