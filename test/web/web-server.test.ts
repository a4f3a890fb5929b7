import { once } from "node:events";
import { type IncomingMessage, request } from "node:http";
import { connect } from "node:net";
import { afterEach, describe, expect, it } from "vitest";
import { Controller, METHODS } from "../../src/controller/index.js";
import { SseReader } from "../../src/page/sse-reader.js";
import type { WebOptions, WebServer } from "../../src/web/index.js";
import { LOOKS } from "../../src/web/visit.js";
import { openBench, servePage, TOKEN } from "./bench.js";

const closers: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

interface Answer {
  readonly status: number;
  readonly headers: IncomingMessage["headers"];
  readonly text: string;
}

interface Ask {
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
}

const KEY = { authorization: `Bearer ${TOKEN}`, "x-spinn-page": "page-0001" };
const CALL = { ...KEY, "content-type": "application/json" };

function ask(port: number, path: string, { method = "GET", headers = {}, body }: Ask = {}): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const sent = request({ host: "127.0.0.1", port, path, method, headers }, (response) => {
      const chunks: Buffer[] = [];
      response.on("data", (chunk: Buffer) => chunks.push(chunk));
      response.on("end", () =>
        resolve({ status: response.statusCode!, headers: response.headers, text: Buffer.concat(chunks).toString() }),
      );
    });
    sent.on("error", reject);
    sent.end(body);
  });
}

const call = (port: number, value: unknown, headers: Readonly<Record<string, string>> = CALL): Promise<Answer> =>
  ask(port, "/call", { method: "POST", headers, body: typeof value === "string" ? value : JSON.stringify(value) });

/** A controller of a board that nobody asks, and its page. */
async function open(options: WebOptions = {}): Promise<{ controller: Controller; web: WebServer }> {
  const controller = new Controller({ host: "127.89.0.1" });
  const web = await servePage(controller, { pollMs: 3_600_000, ...options });
  closers.push(async () => {
    await web.close();
    await controller.close();
  });
  return { controller, web };
}

/** Follows the page's events as a browser does. */
async function follow(port: number, headers: Readonly<Record<string, string>> = KEY) {
  const sent = request({ host: "127.0.0.1", port, path: "/events", headers });
  sent.end();
  const [response] = (await once(sent, "response")) as [IncomingMessage];
  const reader = new SseReader();
  const seen: { event: string; data: unknown }[] = [];
  response.setEncoding("utf8");
  response.on("data", (text: string) => {
    for (const { event, data } of reader.push(text)) seen.push({ event, data: JSON.parse(data) as unknown });
  });
  response.on("error", () => {});
  sent.on("error", () => {});
  return { response, seen, end: () => void sent.destroy() };
}

describe("who may have what", () => {
  it("the document has no data in it and comes without a key, with everything locked that can be", async () => {
    const { web } = await open();
    const page = await ask(web.port, "/");
    expect(page).toMatchObject({ status: 200, headers: { "content-type": "text/html; charset=utf-8", "cache-control": "no-store" } });
    expect(page.headers["content-security-policy"]).toMatch(/^default-src 'none'; script-src 'self';.*frame-ancestors 'none'$/);
    expect(page.text).not.toMatch(/<script>|<style>|\son\w+=|https?:/);
    expect(page.text).not.toContain(TOKEN);
    const links = [...page.text.matchAll(/(?:src|href)="(\/[^"]+)"/g)].map(([, path]) => path!);
    for (const path of links) expect((await ask(web.port, path)).status).toBe(200);
  });

  it("only files that the page needs", async () => {
    const { web } = await open();
    for (const path of ["/machine/geometry.js", "/page/main.js", "/errors.js"]) expect((await ask(web.port, path)).status).toBe(200);
    const others = [
      "/cli/main.js",
      "/page/main.js.map",
      "/page/../index.js",
      "/%2e%2e/package.json",
      "/page",
      "//etc/passwd",
      "/machine/aplx.js",
    ];
    for (const path of others) expect((await ask(web.port, path)).status).toBe(404);
  });

  it.each([
    ["none", {}],
    ["a wrong one", { authorization: "Bearer a-token-for-tests-0124" }],
    ["the right one in another form", { authorization: TOKEN }],
    ["a long one", { authorization: `Bearer ${"a".repeat(5000)}` }],
  ])("no data for a key that is wrong: %s", async (_, headers) => {
    const { web } = await open({ allowActions: true });
    for (const path of ["/events", "/chip/0,0"]) {
      expect(await ask(web.port, path, { headers: { "x-spinn-page": "page-0001", ...headers } })).toMatchObject({
        status: 401,
        text: expect.stringContaining("token is missing or wrong") as string,
      });
    }
    const wrong = await call(web.port, { target: "runs", method: "pause", args: ["1"] }, { ...CALL, authorization: "", ...headers });
    expect(wrong.status).toBe(401);
  });

  it.each([
    ["another origin", { origin: "https://evil.example" }],
    ["our name on another port", { origin: "http://localhost:1" }],
    ["a page without origin", { origin: "null" }],
    ["another site, as the browser says", { "sec-fetch-site": "cross-site" }],
    ["another port of this host, as the browser says", { "sec-fetch-site": "same-site" }],
    ["a name that was bound anew to this address", { host: "evil.example" }],
    ["a host that is no name", { host: "evil.example@127.0.0.1" }],
  ])("403 for what comes from elsewhere, key or not: %s", async (_, headers) => {
    const { web, controller } = await open({ allowActions: true });
    const run = controller.start("soak", async (own) => own.safePoint());
    for (const path of ["/events", "/page/main.js"])
      expect((await ask(web.port, path, { headers: { ...KEY, ...headers } })).status).toBe(403);
    expect(await call(web.port, { target: "runs", method: "request_stop", args: [run.id] }, { ...CALL, ...headers })).toMatchObject({
      status: 403,
    });
    await run.ended;
    expect(run.state).toBe("done");
  });

  it("a link on another page may open the document, and only that", async () => {
    const { web } = await open();
    const link = { "sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate", "sec-fetch-dest": "document" };
    expect((await ask(web.port, "/", { headers: link })).status).toBe(200);
    expect((await ask(web.port, "/", { headers: { ...link, "sec-fetch-dest": "iframe" } })).status).toBe(403);
    expect((await ask(web.port, "/page/main.js", { headers: link })).status).toBe(403);
  });

  it.each(["localhost", "LOCALHOST:9000", "127.0.0.1", "192.168.1.7:80", "[::1]:3279"])("%s is a name of this host", async (host) => {
    const { web } = await open();
    expect((await ask(web.port, "/", { headers: { host, origin: `http://${host}`, "sec-fetch-site": "same-origin" } })).status).toBe(200);
  });

  it("a preflight is told nothing that lets anybody in", async () => {
    const { web } = await open();
    const answer = await ask(web.port, "/call", { method: "OPTIONS", headers: { "access-control-request-method": "POST" } });
    expect(answer.status).toBe(405);
    expect(Object.keys(answer.headers).filter((name) => name.startsWith("access-control"))).toEqual([]);
  });
});

describe("calls", () => {
  it("look when actions are not allowed, and nothing else", async () => {
    await using bench = await openBench("127.89.1.1");
    const { web, controller } = bench;
    const info = await call(web.port, { target: "board", method: "info", args: {} });
    expect(JSON.parse(info.text)).toMatchObject({ result: { name: "SC&MP" } });
    const chip = await ask(web.port, "/chip/1,1", { headers: KEY });
    expect(JSON.parse(chip.text)).toMatchObject({ result: { x: 1, y: 1, counters: { local_multicast: 0 }, texts: {} } });
    for (const method of Object.keys(METHODS).filter((name) => !LOOKS.has(name))) {
      expect(await call(web.port, { target: "board", method, args: {} })).toMatchObject({
        status: 403,
        text: expect.stringContaining("--web-allow") as string,
      });
    }
    const run = controller.start("soak", async (own) => own.safePoint());
    run.idict.pause();
    expect((await call(web.port, { target: "runs", method: "resume", args: [run.id] })).status).toBe(403);
    run.idict.resume();
  });

  it("every method that looks is one of the table that may be repeated", () => {
    for (const name of LOOKS) expect(METHODS[name]).toMatchObject({ isRepeatable: true, isRun: false });
  });

  it.each([
    ["no JSON", "{", 400],
    ["no object", "[]", 400],
    ["an unknown target", { target: "x", method: "info", args: {} }, 400],
    ["an unknown method", { target: "board", method: "__proto__", args: {} }, 400],
    ["an unknown method of runs", { target: "runs", method: "constructor", args: ["1"] }, 400],
    ["a method that is no text", { target: "board", method: 7, args: {} }, 400],
    ["an unknown run", { target: "runs", method: "pause", args: ["77"] }, 400],
    ["arguments of the wrong kind", { target: "board", method: "status", args: [] }, 400],
    ["an unknown parameter", { target: "board", method: "status", args: { chip: "0,0", x: 1 } }, 400],
    ["too large", { target: "board", method: "status", args: { chip: "0".repeat(70_000) } }, 400],
  ])("say what is wrong: %s", async (_, value, status) => {
    const { web } = await open({ allowActions: true });
    const answer = await call(web.port, value);
    expect(answer.status).toBe(status);
    expect((JSON.parse(answer.text) as { error: { message: string } }).error.message.length).toBeGreaterThan(5);
  });

  it("want JSON, a page's name, and the right method", async () => {
    const { web } = await open();
    expect((await call(web.port, "{}", { ...CALL, "content-type": "text/plain" })).status).toBe(415);
    expect((await ask(web.port, "/events", { headers: { ...KEY, "x-spinn-page": "no name" } })).status).toBe(400);
    expect((await ask(web.port, "/call", { headers: KEY })).status).toBe(405);
    expect((await ask(web.port, "/", { method: "POST" })).status).toBe(405);
    expect((await ask(web.port, "/chip/what", { headers: KEY })).status).toBe(400);
  });

  it("steer runs when they are allowed", async () => {
    const { web, controller } = await open({ allowActions: true });
    let steps = 0;
    const run = controller.start("soak", async (own) => {
      for (;;) {
        await own.safePoint();
        steps += 1;
        await new Promise((resolve) => setImmediate(resolve));
      }
    });
    const steer = (method: string, ...args: unknown[]): Promise<Answer> =>
      call(web.port, { target: "runs", method, args: [run.id, ...args] });
    expect((await steer("pause", "Ada")).status).toBe(200);
    await expect.poll(() => run.state).toBe("paused");
    await expect.poll(() => run.idict.run.paused_by).toEqual(["Ada"]);
    const before = steps;
    await steer("step", 3);
    await expect.poll(() => steps).toBe(before + 3);
    expect((await steer("step", 0)).status).toBe(400);
    expect((await steer("set", "gain", 11)).text).toContain("no knob");
    await steer("request_stop", "enough");
    await run.ended;
    expect(run.state).toBe("aborted");
  });
});

describe("a page that is gone", () => {
  async function paused(leaseMs: number) {
    const { web, controller } = await open({ allowActions: true, leaseMs });
    const run = controller.start("soak", async (own) => {
      for (;;) {
        await own.safePoint();
        await new Promise((resolve) => setTimeout(resolve, 1));
      }
    });
    const page = await follow(web.port);
    const pause = (keep: boolean): Promise<Answer> => call(web.port, { target: "runs", method: "pause", args: [run.id, "page", keep] });
    return { web, run, page, pause };
  }

  it("does not leave a run paused", async () => {
    const { run, page, pause } = await paused(20);
    await pause(false);
    await expect.poll(() => run.state).toBe("paused");
    page.end();
    await expect.poll(() => run.state).toBe("running");
  });

  it("that comes back in time finds it paused", async () => {
    const { run, page, pause, web } = await paused(200);
    await pause(false);
    page.end();
    await expect.poll(() => web.pages).toBe(0);
    const again = await follow(web.port);
    await new Promise((resolve) => setTimeout(resolve, 300));
    expect(run.idict.isPaused).toBe(true);
    again.end();
    await expect.poll(() => run.idict.isPaused).toBe(false);
  });

  it("leaves it paused when it was asked to", async () => {
    const { run, page, pause } = await paused(1);
    await pause(true);
    page.end();
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(run.idict.isPaused).toBe(true);
    run.idict.resume();
  });
});

describe("the state", () => {
  it("comes whole, then what has changed, merged", async () => {
    const { web, controller } = await open();
    controller.notifier.setItem("chips", { "0,0": { links: 63 }, "0,1": { links: 63 } });
    const { seen } = await follow(web.port);
    await expect.poll(() => seen[0]?.event).toBe("whole");
    expect(seen[0]!.data).toMatchObject({
      about: { allow: false },
      state: { board: { host: "127.89.0.1" }, chips: { "0,1": { links: 63 } }, detail: {} },
    });
    for (let i = 0; i < 1000; i += 1) controller.notifier.at("chips").setItem("0,0", { links: i });
    controller.notifier.at("chips").delItem("0,1");
    controller.notifier.setItem("problems", ["odd"]);
    await expect.poll(() => seen[1]?.data).toEqual([[["chips", "0,0"], { links: 999 }], [["chips", "0,1"]], [["problems"], ["odd"]]]);
    const run = controller.start("soak", async (own) => own.onStep("one"));
    await run.ended;
    await expect
      .poll(() => JSON.stringify(seen.slice(2)))
      .toMatch(/\["runs","1"\],\{"method":"soak","state":"done".*\["detail","1"\],\{"run":\{"state":"done"/);
  });

  it("what JSON has no word for is shown as well as it can be", async () => {
    const { web, controller } = await open();
    const { seen } = await follow(web.port);
    await expect.poll(() => seen.length).toBe(1);
    controller.notifier.setItem("problems", [2n ** 60n, new Map([[1, new Uint8Array(3)]]), Number.NaN, new Float32Array([1.5])]);
    await expect.poll(() => seen[1]?.data).toEqual([[["problems"], ["1152921504606846976", { 1: { bytes: 3 } }, null, [1.5]]]]);
  });

  it("a page that does not read is skipped, gets the newest state when it reads again, and holds up nobody", async () => {
    const { web, controller } = await open();
    const slow = connect(web.port, "127.0.0.1");
    closers.push(async () => void slow.destroy());
    slow.write(`GET /events HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer ${TOKEN}\r\nx-spinn-page: slow-page\r\n\r\n`);
    slow.pause();
    await expect.poll(() => web.pages).toBe(1);
    const quick = await follow(web.port);
    const big = "x".repeat(2_000_000);
    for (let i = 0; i < 12; i += 1) {
      controller.notifier.setItem("problems", [i, big]);
      await expect.poll(() => JSON.stringify(quick.seen.at(-1)?.data).slice(0, 60), { timeout: 5000 }).toContain(`[["problems"],[${i},`);
    }
    let got = "";
    slow.setEncoding("latin1");
    slow.on("data", (text: string) => {
      got += text;
    });
    slow.resume();
    await expect.poll(() => got.lastIndexOf("event: whole"), { timeout: 10_000 }).toBeGreaterThan(1000);
    expect(got.length).toBeLessThan(22_000_000);
    expect(got.slice(got.lastIndexOf("event: whole"))).toContain('"problems":[11,');
  });

  it("ends with the server; no more than 32 pages follow", async () => {
    const { web } = await open();
    const pages = await Promise.all(Array.from({ length: 32 }, () => follow(web.port)));
    expect((await ask(web.port, "/events", { headers: KEY })).status).toBe(503);
    pages[0]!.end();
    await expect.poll(() => web.pages).toBe(31);
    const ended = once(pages[1]!.response, "close");
    await web.close();
    await web.close();
    await ended;
  });

  it("shows live events, a fair sample of many", async () => {
    const { web } = await open();
    const { seen } = await follow(web.port);
    await expect.poll(() => seen.length).toBe(1);
    const keys = Uint32Array.from({ length: 1000 }, (_, i) => i);
    await web.showEvents(
      "tag 1",
      (async function* () {
        for (let i = 0; i < 10; i += 1) yield { count: 1000, keys, receivedAtMs: 7 };
      })(),
    );
    await expect.poll(() => seen[1]).toMatchObject({ event: "events", data: { new: 10_000, total: 10_000 } });
    const shown = (seen[1]!.data as { keys: number[] }).keys;
    expect(shown).toHaveLength(200);
    // Of 200 fairly drawn, all from one half comes once in 10^60 times.
    expect(shown.some((key) => key < 500) && shown.some((key) => key >= 500)).toBe(true);
  });
});

describe("starting", () => {
  it("says what is wrong", async () => {
    const { web, controller } = await open();
    await expect(servePage(controller, { port: web.port })).rejects.toMatchObject({ code: "ERR_SPINN_ADDRESS_IN_USE" });
    await expect(servePage(controller, { host: "192.0.2.1" })).rejects.toMatchObject({ code: "ERR_SPINN_UNREACHABLE" });
    await expect(servePage(controller, { token: "short" })).rejects.toMatchObject({ code: "ERR_SPINN_ARGUMENT" });
    await expect(servePage(controller, { root: new URL("file:///nonexistent/") })).rejects.toMatchObject({ code: "ERR_SPINN_FILE" });
    expect(web.url).toBe(`http://127.0.0.1:${web.port}/#${TOKEN}`);
  });
});
