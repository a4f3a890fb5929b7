import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { hostname } from "node:os";
import type { Controller } from "../controller/index.js";
import { SpinnError } from "../errors.js";
import { parseChip } from "../machine/index.js";
import type { EventBatch } from "./event-feed.js";
import { FeedOutlet } from "./feed-outlet.js";
import { isToken, makeToken, refusal, SAFE_HEADERS, tokenOf } from "./guard.js";
import { jsonText } from "./json-text.js";
import { type PageFile, readPage } from "./page-files.js";
import { StateFeed } from "./state-feed.js";
import { Visits } from "./visit.js";

/** TCP port of the page: behind those of the calls and of the published state. */
export const WEB_PORT = 3279;

export interface WebOptions {
  /** Address to listen on. Default 127.0.0.1. */
  readonly host?: string | undefined;
  /** TCP port, 0 takes a free one. Default 3279. */
  readonly port?: number | undefined;
  /** What a page has to know. Default: a new one, see `token`. */
  readonly token?: string | undefined;
  /** Whether pages may act: steer runs, call every method. Default `false`: they look. */
  readonly allowActions?: boolean | undefined;
  /** How often the machine is asked for its state while a page is open, ms. Default 2000. */
  readonly pollMs?: number | undefined;
  /** How long what a page has paused stays paused when it is gone, ms. Default 30 000. */
  readonly leaseMs?: number | undefined;
  /** Names of this computer that browsers may use besides localhost, its host name and addresses. Default none. */
  readonly names?: readonly string[] | undefined;
  /** Folder that holds `page/`, built. Default: where this module is. */
  readonly root?: URL | undefined;
}

const MAX_CONNECTIONS = 128;
const MAX_PAGES = 32;
const MAX_CALLS = 16;
const MAX_BODY_BYTES = 64 * 1024;
const MAX_HEADER_BYTES = 16 * 1024;
const TOKEN_FORM = /^[\w-]{16,200}$/;
const PAGE_FORM = /^[\w-]{8,64}$/;

/** The live page of a controller. Made by {@link serveWeb}. */
export class WebServer {
  readonly token: string;
  readonly #server: Server;
  readonly #files: ReadonlyMap<string, PageFile>;
  readonly #feed: StateFeed;
  readonly #visits: Visits;
  readonly #names: ReadonlySet<string>;
  readonly #host: string;
  readonly #endObserving: () => void;
  #pages = 0;
  #calls = 0;
  #closing: Promise<void> | undefined;

  private constructor(controller: Controller, options: WebOptions) {
    const { token = makeToken(), allowActions = false, pollMs = 2000, leaseMs = 30_000, names = [], host = "127.0.0.1" } = options;
    if (!TOKEN_FORM.test(token)) {
      throw new SpinnError("ERR_SPINN_ARGUMENT", "the page's token must be 16 to 200 letters, digits, - or _");
    }
    this.token = token;
    this.#host = host;
    this.#files = readPage(options.root ?? new URL("../", import.meta.url));
    this.#names = new Set([hostname(), host, ...names].map((name) => name.toLowerCase()));
    this.#feed = new StateFeed(controller, { server: makeToken(), allow: allowActions, host: hostname(), poll_ms: pollMs });
    this.#visits = new Visits(controller, { isAllowed: allowActions, leaseMs });
    this.#endObserving = controller.observe(() => this.#feed.isWatched, pollMs);
    const { onStart, onForget } = controller.runs;
    controller.runs.onStart = (run) => {
      onStart(run);
      if (this.#closing === undefined) this.#feed.addRun(run);
    };
    controller.runs.onForget = (run) => {
      onForget(run);
      this.#feed.forgetRun(run);
    };
    const limits = { maxHeaderSize: MAX_HEADER_BYTES, headersTimeout: 10_000, requestTimeout: 30_000, keepAliveTimeout: 10_000 };
    this.#server = createServer(limits, (request, response) => void this.#answer(request, response));
    this.#server.maxConnections = MAX_CONNECTIONS;
  }

  static async start(controller: Controller, options: WebOptions): Promise<WebServer> {
    const web = new WebServer(controller, options);
    const { port = WEB_PORT } = options;
    try {
      await new Promise<void>((resolve, reject) => {
        web.#server.once("error", (cause: NodeJS.ErrnoException) => {
          const code = cause.code === "EADDRINUSE" ? "ERR_SPINN_ADDRESS_IN_USE" : "ERR_SPINN_UNREACHABLE";
          reject(new SpinnError(code, `cannot listen on ${web.#host}:${port}: ${cause.message}`, { cause }));
        });
        web.#server.listen({ host: web.#host, port, exclusive: true }, resolve);
      });
      return web;
    } catch (error) {
      await web.close();
      throw error;
    }
  }

  get port(): number {
    return (this.#server.address() as AddressInfo | null)?.port ?? 0;
  }

  /** Where a browser finds the page. The token stands behind `#`: browsers do not send that part, so that it is in no request. */
  get url(): string {
    const host = ["0.0.0.0", "::"].includes(this.#host) ? "127.0.0.1" : this.#host;
    return `http://${host.includes(":") ? `[${host}]` : host}:${this.port}/#${this.token}`;
  }

  /** Pages that follow now. */
  get pages(): number {
    return this.#pages;
  }

  /** Shows a live stream as it comes, under a name. Returns at its end; what it throws is thrown on. */
  async showEvents(label: string, source: AsyncIterable<EventBatch>): Promise<void> {
    const { events } = this.#feed;
    events.begin(label);
    try {
      for await (const batch of source) {
        events.add(batch);
        this.#feed.noteEvents();
      }
    } finally {
      events.end();
    }
  }

  /** Ends all connections. The controller stays. Idempotent. */
  close(): Promise<void> {
    this.#closing ??= (async () => {
      this.#endObserving();
      this.#feed.close();
      this.#visits.close();
      const closed = this.#server.listening ? new Promise((resolve) => this.#server.close(resolve)) : undefined;
      this.#server.closeAllConnections();
      await closed;
    })();
    return this.#closing;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    request.on("error", () => {});
    response.on("error", () => {});
    for (const [name, value] of Object.entries(SAFE_HEADERS)) response.setHeader(name, value);
    const path = (request.url ?? "/").split("?", 1)[0]!;
    const why = this.#whyNot(request, path);
    if (why !== undefined) {
      refuse(response, ...why);
      return;
    }
    const file = this.#files.get(path);
    const page = String(request.headers["x-spinn-page"]);
    if (file !== undefined) {
      response.writeHead(200, { "content-type": file.type, "content-length": file.bytes.length });
      response.end(file.bytes);
    } else if (path === "/events") this.#follow(response, page);
    else await this.#call(request, response, path, page);
  }

  /** Status and words for a request that is not answered, or `undefined`. */
  #whyNot(request: IncomingMessage, path: string): readonly [number, string] | undefined {
    const foreign = refusal(request, this.#names);
    if (foreign !== undefined) return [403, foreign];
    const isFile = this.#files.has(path);
    const isCall = path === "/call" || path.startsWith("/chip/");
    if (!isFile && !isCall && path !== "/events") return [404, "there is no such file"];
    if (request.method !== (path === "/call" ? "POST" : "GET")) return [405, "this address takes another method"];
    if (isFile) return undefined;
    const token = tokenOf(request);
    if (token === undefined || !isToken(this.token, token)) return [401, "the page's token is missing or wrong"];
    const page = request.headers["x-spinn-page"];
    if (typeof page !== "string" || !PAGE_FORM.test(page)) return [400, "the page does not say which it is"];
    if (!isCall && this.#pages >= MAX_PAGES) return [503, `${MAX_PAGES} pages follow already`];
    if (isCall && this.#calls >= MAX_CALLS) return [429, `${MAX_CALLS} calls are under way already`];
    // Another type would be one that a page of another site may send without asking.
    if (path === "/call" && request.headers["content-type"] !== "application/json") return [415, "a call is application/json"];
    return undefined;
  }

  #follow(response: ServerResponse, page: string): void {
    let leave: () => void;
    try {
      leave = this.#visits.enter(page);
    } catch (error) {
      fail(response, error);
      return;
    }
    this.#pages += 1;
    response.writeHead(200, { "content-type": "text/event-stream; charset=utf-8" });
    const outlet: FeedOutlet = new FeedOutlet(response, () => this.#feed.sendWhole(outlet));
    response.once("close", () => {
      this.#feed.delete(outlet);
      this.#pages -= 1;
      leave();
    });
    this.#feed.add(outlet);
  }

  async #call(request: IncomingMessage, response: ServerResponse, path: string, page: string): Promise<void> {
    this.#calls += 1;
    const gone = new AbortController();
    response.once("close", () => gone.abort(new SpinnError("ERR_SPINN_ABORTED", "the page has gone")));
    try {
      let result: unknown;
      if (path === "/call") {
        const { target, method, args } = await readBody(request);
        result = await this.#visits.call(target, method, args, page, gone.signal);
      } else {
        result = await this.#visits.lookAtChip(parseChip(path.slice("/chip/".length)), gone.signal);
      }
      reply(response, 200, { result: result ?? null });
    } catch (error) {
      fail(response, error);
    } finally {
      this.#calls -= 1;
    }
  }
}

/** Takes a JSON object of bounded size. Throws `ERR_SPINN_ARGUMENT`. */
async function readBody(request: IncomingMessage): Promise<Readonly<Record<string, unknown>>> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > MAX_BODY_BYTES) throw new SpinnError("ERR_SPINN_ARGUMENT", `a call is ${MAX_BODY_BYTES} bytes at most`);
    chunks.push(chunk);
  }
  try {
    const value: unknown = JSON.parse(Buffer.concat(chunks).toString("utf8"));
    if (typeof value === "object" && value !== null) return value as Readonly<Record<string, unknown>>;
  } catch {
    // Said below, as for what is JSON and no object.
  }
  throw new SpinnError("ERR_SPINN_ARGUMENT", "a call is a JSON object {target, method, args}");
}

function reply(response: ServerResponse, status: number, value: unknown): void {
  if (response.destroyed || response.headersSent) return;
  response.writeHead(status, { "content-type": "application/json; charset=utf-8" });
  response.end(jsonText(value));
}

function refuse(response: ServerResponse, status: number, message: string): void {
  // What is left of the request is not read.
  response.setHeader("connection", "close");
  reply(response, status, { error: { message, hint: null, code: null } });
}

function fail(response: ServerResponse, error: unknown): void {
  const { message, hint, code } = error instanceof SpinnError ? error : { message: String(error), hint: undefined, code: null };
  const status = code === null ? 500 : code === "ERR_SPINN_ARGUMENT" ? 400 : code === "ERR_SPINN_REFUSED" ? 403 : 502;
  response.setHeader("connection", "close");
  reply(response, status, { error: { message, hint: hint ?? null, code } });
}

/**
 * Serves the live page of a controller: the state that it publishes by server-sent events, calls of its methods for those who have the token.
 * Throws `ERR_SPINN_ADDRESS_IN_USE`, `ERR_SPINN_UNREACHABLE` (no such address), `ERR_SPINN_FILE` (the page is not built).
 */
export function serveWeb(controller: Controller, options: WebOptions = {}): Promise<WebServer> {
  return WebServer.start(controller, options);
}
