import { readFileSync } from "node:fs";
import { createServer, type Socket } from "node:net";
import { afterEach, describe, expect, it } from "vitest";
import { formatLogLine, type LogEntry, LogForwarder, LogServer } from "../../../src/services/publish/index.js";
import { RawClient } from "../rpc/raw-client.js";

const { sessions } = JSON.parse(readFileSync(new URL("../../../fixtures/sipyco/sessions.json", import.meta.url), "utf8")) as {
  sessions: { name: string; exchange: { from: string; line?: string }[] }[];
};
const clientText = (name: string): string =>
  sessions
    .find((one) => one.name === name)!
    .exchange.map((step) => (step.from === "client" ? (step.line ?? "") : ""))
    .join("");

const closers: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

const until = async (condition: () => boolean): Promise<void> => {
  while (!condition()) await new Promise((resolve) => setImmediate(resolve));
};

async function collector(port = 0): Promise<{ server: LogServer; got: [string, LogEntry][] }> {
  const got: [string, LogEntry][] = [];
  const server = new LogServer((source, entry) => got.push([source, entry]));
  await server.start("127.0.0.1", port);
  closers.push(() => server.stop());
  return { server, got };
}

const RECORDED: [string, LogEntry][] = [
  ["board0", { level: "WARNING", name: "scp", message: "timeout" }],
  ["board0", { level: "ERROR", name: "scp", message: "first\nsecond\nthird" }],
  ["board0", { level: "INFO", name: "print", message: "free text" }],
];

describe("logging", () => {
  it("logging/entries are read, logging/bad_entry is cut off", async () => {
    const { server, got } = await collector();
    const raw = new RawClient(server.port);
    closers.push(() => raw.destroy());
    raw.send(clientText("logging/entries"));
    await until(() => got.length === 3);
    expect(got).toEqual(RECORDED);
    const bad = new RawClient(server.port);
    bad.send(clientText("logging/bad_entry"));
    await bad.closed;
    expect(bad.received).toBe("");
  });

  it("logging/entries are sent, byte for byte, and waited with until somebody listens", async () => {
    let told = "";
    const sockets: Socket[] = [];
    const server = createServer((socket) => sockets.push(socket.on("data", (chunk: Buffer) => (told += chunk.toString()))));
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const { port } = server.address() as { port: number };
    await new Promise((resolve) => server.close(resolve));
    const forwarder = new LogForwarder("board0", "127.0.0.1", port, { retryMs: 2, queueLimit: 2 });
    closers.push(() => forwarder.close());
    forwarder.log({ level: "DEBUG", name: "x", message: "too much" });
    for (const [, entry] of RECORDED.slice(0, 2)) forwarder.log(entry);
    expect(forwarder.dropped).toBe(1);
    await new Promise<void>((resolve) => server.listen(port, "127.0.0.1", resolve));
    closers.push(() => {
      for (const socket of sockets) socket.destroy();
      server.close();
    });
    const wanted = clientText("logging/entries").replace("board0:free text\n", "");
    await until(() => told.length >= wanted.length);
    expect(told).toBe(wanted);
    forwarder.log({ level: "INFO", name: "x", message: "caf\u00e9 \u269b" });
    await until(() => told.endsWith("\u269b\n"));
    expect(() => forwarder.log({ level: "INFO", name: "a:b", message: "" })).toThrow(/colon/);
  });

  it("goes from forwarder to collector as it was", async () => {
    const { server, got } = await collector();
    const forwarder = new LogForwarder("b", "127.0.0.1", server.port);
    const entry: LogEntry = { level: "TRACE", name: "n", message: "one: \u00fc\n\ntwo" };
    forwarder.log(entry);
    await until(() => got.length === 1);
    expect(got).toEqual([["b", entry]]);
    await forwarder.close();
    await forwarder.close();
    expect(formatLogLine(entry)).toBe("TRACE<3>:n:one: \u00fc\n\ntwo");
  });
});
