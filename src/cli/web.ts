import { type Command, Option } from "commander";
import { EIEIOConnection } from "../connections/index.js";
import type { Controller } from "../controller/index.js";
import { LiveEvents, liveTag } from "../services/stream/index.js";
import { serveWeb, WEB_PORT, type WebServer } from "../web/index.js";
import { SCP_PORT } from "../wire/index.js";
import type { Job } from "./job.js";
import { parseInteger } from "./number.js";
import { waysTo } from "./stream-events.js";
import { usage } from "./usage.js";
import { webToken } from "./web-token.js";

/** Options of the page, as the command line has them. */
interface PageOptions {
  readonly web?: string | true;
  readonly webAllow?: boolean;
  readonly webEvents?: number;
}

export function addWebOptions(command: Command): Command {
  return command
    .option("--web [[host:]port]", `also serve a live page for browsers (default: 127.0.0.1:${WEB_PORT})`)
    .option("--web-allow", "let the page act: pause and stop runs, call every method (default: it only looks)")
    .addOption(
      new Option("--web-events <tag>", "show live events on the page: the board's tag is aimed here and stays so").argParser((text) =>
        parseInteger("--web-events", text, 0, 7),
      ),
    );
}

/** The page that runs, and how it is told of. */
export interface ServedPage extends AsyncDisposable {
  readonly data: { readonly web?: { readonly url: string; readonly allow: boolean } };
  /** A line for people, or nothing. */
  readonly text: string;
}

/** Serves the page when it was asked for. Throws `ERR_SPINN_ARGUMENT` for an address that is none, and what `serveWeb` throws. */
export async function servePage(job: Job, command: Command, controller: Controller): Promise<ServedPage> {
  const { web, webAllow = false, webEvents } = command.opts<PageOptions>();
  if (web === undefined) {
    if (webAllow || webEvents !== undefined) throw usage("--web-allow and --web-events are about the page", "add --web");
    return { data: {}, text: "", async [Symbol.asyncDispose]() {} };
  }
  const { host, port } = addressOf(web);
  const server = await serveWeb(controller, { host, port, allowActions: webAllow, token: await webToken(job) });
  if (host !== "127.0.0.1") {
    const may = webAllow ? "see the board and act on it" : "see the board";
    job.say(
      `WARNING:spinn:the page goes over the network unencrypted: whoever can read along can ${may}; ssh -L ${port}:127.0.0.1:${port} is safer`,
    );
  }
  const ending = new AbortController();
  const showing = webEvents === undefined ? undefined : showEvents(job, controller, server, webEvents, ending.signal);
  return {
    data: { web: { url: server.url, allow: webAllow } },
    text: `page: ${server.url}\n`,
    async [Symbol.asyncDispose]() {
      ending.abort();
      await showing;
      await server.close();
    },
  };
}

function addressOf(web: string | true): { readonly host: string; readonly port: number } {
  if (web === true) return { host: "127.0.0.1", port: WEB_PORT };
  const match = /^(?:(.+):)?(\d+)$/.exec(web);
  if (match === null) throw usage(`--web: "${web}" is no address`, "write PORT or HOST:PORT, e.g. --web 8080");
  return { host: match[1]?.replace(/^\[(.*)\]$/, "$1") ?? "127.0.0.1", port: parseInteger("--web", match[2]!, 0, 65535) };
}

/** Shows live events until the end; a board that does not set the tag is no reason to serve nothing else. */
async function showEvents(job: Job, controller: Controller, server: WebServer, tag: number, signal: AbortSignal): Promise<void> {
  const { host, port = SCP_PORT } = controller.board.options;
  try {
    const { addresses, own } = await waysTo([{ host, port }], signal);
    const connection = await EIEIOConnection.open({ localHost: own, signal });
    const set = liveTag(connection, addresses[0]!, tag, { port });
    await using live = await LiveEvents.open(connection, { boards: addresses, setTag: (stop) => set(AbortSignal.any([stop, signal])) });
    signal.addEventListener("abort", () => void live.close(), { once: true });
    await server.showEvents(`tag ${tag}`, live);
  } catch (error) {
    if (!signal.aborted) job.say(`WARNING:spinn:no live events on the page: ${(error as Error).message}`);
  }
}
