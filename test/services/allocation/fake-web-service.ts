import { once } from "node:events";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { FakeProxy } from "./fake-proxy.js";

/** The newer service as its description has it: log-in, session, token for changes, one triad, jobs that are ready at once or when told. */
export class FakeWebService {
  readonly asked: string[] = [];
  readonly bodies: unknown[] = [];
  readonly jobs = new Map<number, { state: string; power: "ON" | "OFF"; reason?: string }>();
  first = "READY";
  sessions = 0;
  keepalives = 0;
  /** Boards by their chip "x,y"; with `proxied`, the service offers a WebSocket to them. */
  hosts: Readonly<Record<string, string>> = { "0,0": "10.0.0.1", "8,4": "10.0.0.9" };
  proxied = false;
  readonly proxy = new FakeProxy((chip) => this.hosts[chip]);
  /** Credentials that count: HTTP Basic, the form, or a bearer token. */
  takes: "basic" | "form" | "token" = "basic";
  /** Answers that come before all else. */
  special: ((line: string) => { readonly status: number; readonly text: string } | undefined) | undefined;
  readonly #server: Server;
  readonly #held = new Set<() => void>();
  readonly #waiting = new Set<() => void>();

  private constructor() {
    this.#server = createServer((request, response) => void this.#answer(request, response));
    this.#server.on("upgrade", (request, socket, head) => {
      this.asked.push(`UPGRADE ${request.url}`);
      const job = this.jobs.get(Number(/^\/spalloc\/proxy\/(\d+)$/.exec(request.url!)?.[1]));
      const session = this.#sessionOf(request);
      const csrf = request.headers["x-csrf-token"] === `token${session}` && request.headers.origin === new URL(this.url).origin;
      const status = session === undefined ? "401 x" : !csrf ? "403 x" : job?.state !== "READY" ? "503 job not in state" : undefined;
      if (status === undefined) this.proxy.upgrade(request, socket, head);
      else socket.end(`HTTP/1.1 ${status}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`);
    });
  }

  static async start(): Promise<FakeWebService> {
    const service = new FakeWebService();
    service.#server.listen(0, "127.0.0.1");
    await once(service.#server, "listening");
    return service;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}/spalloc`;
  }

  /** Every session so far is over. */
  expire(): void {
    this.sessions += 1;
  }

  set(jobId: number, state: string, reason?: string): void {
    this.jobs.set(jobId, { state, power: "ON", ...(reason === undefined ? {} : { reason }) });
    for (const release of [...this.#held]) release();
  }

  /** Requests whose answers are held back. */
  get held(): number {
    return this.#held.size;
  }

  async until(condition: () => boolean): Promise<void> {
    while (!condition()) await new Promise<void>((resolve) => this.#waiting.add(resolve));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.proxy.close();
    this.#server.close();
    this.#server.closeAllConnections();
    await once(this.#server, "close");
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    let text = "";
    for await (const chunk of request) text += String(chunk);
    const url = new URL(request.url!, "http://x");
    const path = url.pathname.replace("/spalloc/srv/spalloc/", "");
    const line = `${request.method} ${path}${url.search}`;
    this.asked.push(line);
    if (text !== "") this.bodies.push(request.headers["content-type"] === "application/json" ? JSON.parse(text) : text);
    const reply = (status: number, body: unknown = "", headers: Record<string, string> = {}): void => {
      response.writeHead(status, { "content-type": typeof body === "string" ? "text/plain" : "application/json", ...headers });
      response.end(typeof body === "string" ? body : JSON.stringify(body));
      this.#wake();
    };
    const special = this.special?.(line);
    if (special !== undefined) return reply(special.status, special.text);
    const giveSession = (): Record<string, string> => {
      this.sessions += 1;
      return { "set-cookie": `JSESSIONID=s${this.sessions}; Path=/spalloc; HttpOnly` };
    };
    const { authorization } = request.headers;
    const isToken = authorization === "Bearer good";
    if (url.pathname === "/spalloc/system/login.html") {
      if (this.takes === "token" && !isToken) return reply(401, "log in required, really");
      const hidden = '<input value="c5rf" type="hidden" name="_csrf"/>';
      return reply(200, `<html><form action="perform_login"><input name="username">${hidden}</form></html>`, giveSession());
    }
    if (url.pathname === "/spalloc/system/perform_login") {
      const isKnown = this.#sessionOf(request) !== undefined && text === "_csrf=c5rf&username=me&password=secret&submit=submit";
      if (!isKnown) return reply(401, { message: "computer says no", timestamp: "now" });
      return reply(302, "", { ...giveSession(), location: "/spalloc/" });
    }
    const isBasic = authorization === `Basic ${Buffer.from("me:secret").toString("base64")}`;
    if (this.takes === "form" ? authorization !== undefined : this.takes === "basic" ? !isBasic : !isToken)
      return reply(401, "log in required, really");
    if (this.takes !== "basic" && this.#sessionOf(request) === undefined) return reply(401, "session over");
    if (path === "") {
      const cookie = this.takes === "basic" ? giveSession() : {};
      return reply(
        200,
        {
          version: { "major-version": 7, "minor-version": 4, revision: 2 },
          "csrf-header": "X-CSRF-TOKEN",
          "csrf-token": `token${this.sessions}`,
        },
        cookie,
      );
    }
    const session = this.#sessionOf(request);
    if (session === undefined) return reply(401, "session over");
    if (request.method !== "GET" && request.headers["x-csrf-token"] !== `token${session}`) return reply(403, "no token");
    if (path === "machines/triad") {
      return reply(200, { name: "triad", tags: ["default"], width: 1, height: 2, "down-boards": [], "down-links": [] });
    }
    if (path === "machines") {
      const board = { x: 0, y: 0, z: 2, cabinet: 0, frame: 0, board: 2, address: null };
      const deadLinks = [
        [
          { board, direction: "NW" },
          { board: { ...board, z: 0 }, direction: "SE" },
        ],
      ];
      const machine = { name: "triad", tags: ["b", "a"], uri: "x", width: 1, height: 2, "dead-boards": [board], "dead-links": deadLinks };
      return reply(200, { machines: [machine] });
    }
    if (path === "jobs" && request.method === "POST") {
      const jobId = this.jobs.size + 1;
      this.jobs.set(jobId, { state: this.first, power: "ON" });
      return reply(201, { "job-id": jobId, "job-ref": "http://elsewhere.example/jobs/1" });
    }
    if (path === "jobs") return reply(200, { jobs: [...this.jobs.keys()].map((id) => `https://host/spalloc/srv/spalloc/jobs/${id}/`) });
    const [, id, rest = ""] = /^jobs\/(\d+)(?:\/(.*))?$/.exec(path) ?? [];
    const jobId = Number(id);
    const job = this.jobs.get(jobId);
    if (job === undefined) return reply(404, "no such job");
    if (request.method === "DELETE") {
      job.state = "DESTROYED";
      job.reason = url.searchParams.get("reason") ?? "";
      return reply(204);
    }
    if (rest === "keepalive") {
      this.keepalives += 1;
      return reply(200, "ok");
    }
    if (rest === "machine/power") {
      if (request.method === "POST") {
        job.power = (JSON.parse(text) as { power: "ON" | "OFF" }).power;
        return reply(202);
      }
      return job.state === "READY" || job.state === "POWER" ? reply(200, { power: job.power }) : reply(204);
    }
    if (rest === "machine") {
      if (job.state === "QUEUED") return reply(204);
      const connections = Object.entries(this.hosts).map(([chip, host]) => [chip.split(",").map(Number), host]);
      const boards = [
        [0, 0, 1],
        [0, 0, 0],
      ];
      return reply(200, { width: 1, height: 1, depth: 3, "machine-name": "triad", connections, boards, power: job.power });
    }
    if (rest === "chip") {
      const coordinates = { "logical-board-coordinates": [0, 0, 0], "physical-board-coordinates": [0, 0, 4] };
      const chips = { chip: [1, 2], "board-chip": [1, 2], "job-chip": [1, 2] };
      return url.searchParams.get("x") === "1" ? reply(200, { machine: "triad", "job-id": jobId, ...coordinates, ...chips }) : reply(204);
    }
    const state = (): void =>
      reply(200, {
        state: job.state,
        "start-time": "2026-01-02T03:04:05.678Z",
        reason: this.jobs.get(jobId)!.reason,
        ...(this.proxied && job.state === "READY" ? { "proxy-ref": `wss://elsewhere.example/spalloc/proxy/${jobId}` } : {}),
      });
    if (url.searchParams.get("wait") !== "true") return state();
    const release = (): void => {
      this.#held.delete(release);
      job.state = this.jobs.get(jobId)!.state;
      state();
    };
    this.#held.add(release);
    this.#wake();
    response.on("close", () => this.#held.delete(release));
  }

  #sessionOf(request: IncomingMessage): number | undefined {
    return [this.sessions, this.sessions - 1].find((n) => request.headers.cookie === `JSESSIONID=s${n}`);
  }

  #wake(): void {
    for (const resolve of [...this.#waiting]) {
      this.#waiting.delete(resolve);
      resolve();
    }
  }
}
