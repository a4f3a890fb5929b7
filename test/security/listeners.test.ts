import { readdirSync, readFileSync } from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, expect, it } from "vitest";
import { UDPConnection } from "../../src/connections/index.js";
import { Controller, Runs, serveController, serveRuns } from "../../src/controller/index.js";
import { inspect, runServer } from "../../src/services/inspect/index.js";
import { Broadcaster, LogServer, Notifier, Publisher } from "../../src/services/publish/index.js";
import { RemoteExecServer, RpcServer } from "../../src/services/rpc/index.js";
import { IMDServer } from "../../src/services/stream/index.js";
import { serveWeb } from "../../src/web/index.js";

const ROOT = fileURLToPath(new URL("../../", import.meta.url));
const closers: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

/** Whether something takes TCP connections there. */
function answers(host: string, port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host, port });
    socket.once("connect", () => {
      socket.destroy();
      resolve(true);
    });
    socket.once("error", () => resolve(false));
  });
}

async function stopped<T extends { start(): Promise<void>; stop(): Promise<void>; readonly port: number }>(server: T): Promise<number> {
  await server.start();
  closers.push(() => server.stop());
  return server.port;
}

it("every TCP server is on 127.0.0.1 alone unless it is told otherwise", async () => {
  const controller = new Controller({ host: "127.0.115.1" });
  closers.push(() => controller.close());
  const served = await serveController(controller, { port: 0, notifyPort: 0 });
  closers.push(() => served.close());
  const web = await serveWeb(controller, { port: 0, root: new URL("../../dist/", import.meta.url) });
  closers.push(() => web.close());
  const runs = await serveRuns(new Runs());
  closers.push(() => runs.close());
  const imd = await IMDServer.listen(1);
  closers.push(() => imd.close());
  const ports: Record<string, number> = {
    calls: served.port,
    state: served.notifyPort,
    page: web.port,
    runs: runs.port,
    imd: imd.port,
    rpc: await stopped(new RpcServer({ t: {} })),
    remoteExec: await stopped(new RemoteExecServer("t", {})),
    publisher: await stopped(new Publisher({ n: new Notifier({}) })),
    broadcaster: await stopped(new Broadcaster()),
    log: await stopped(new LogServer(() => {})),
  };
  for (const [name, port] of Object.entries(ports)) {
    expect(await answers("127.0.0.1", port), name).toBe(true);
    // A server on all addresses would answer here as well: 127.0.0.2 is this computer's own too.
    expect(await answers("127.0.0.2", port), name).toBe(false);
  }
  expect([typeof inspect, typeof runServer]).toEqual(["function", "function"]);
});

it("a UDP socket without a peer is on 127.0.0.1 unless it is told otherwise", async () => {
  const connection = await UDPConnection.open();
  closers.push(() => connection.close());
  expect(connection.local).toMatch(/^127\.0\.0\.1:/);
});

it("SECURITY.md names every source file that opens a listening socket", () => {
  const page = readFileSync(join(ROOT, "SECURITY.md"), "utf8");
  const files = readdirSync(join(ROOT, "src"), { recursive: true, encoding: "utf8" }).filter((name) => name.endsWith(".ts"));
  const listening = files.filter((name) =>
    /\b(createServer|createTlsServer|createSocket)\(/.test(readFileSync(join(ROOT, "src", name), "utf8")),
  );
  expect(listening.length).toBeGreaterThanOrEqual(7);
  for (const name of listening) expect(page, name).toContain(`src/${name.replaceAll("\\", "/")}`);
});

it("SECURITY.md names no test that is not there", () => {
  const page = readFileSync(join(ROOT, "SECURITY.md"), "utf8");
  const named = [...page.matchAll(/`(test\/[\w./-]+\.test\.ts)`/g)].map(([, path]) => path!);
  expect(new Set(named).size).toBeGreaterThanOrEqual(20);
  for (const path of named) expect(() => readFileSync(join(ROOT, path)), path).not.toThrow();
});
