import { once } from "node:events";
import { readFileSync } from "node:fs";
import { connect as connectTcp, createServer } from "node:net";
import { connect as connectTls } from "node:tls";
import { afterEach, expect, it } from "vitest";
import { Terminal } from "../../src/cli/terminal.js";
import type { SpinnError } from "../../src/errors.js";
import { LogServer, Subscriber } from "../../src/services/publish/index.js";
import { RpcServer } from "../../src/services/rpc/index.js";

const closers: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

/** What a subscriber's connection ended with when its publisher said these lines. */
async function endAfter(lines: string): Promise<SpinnError | undefined> {
  const server = createServer((socket) => {
    socket.on("error", () => {});
    socket.once("data", () => socket.write(lines));
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  closers.push(() => server.close());
  const subscriber = new Subscriber("s", (struct) => struct);
  closers.push(() => subscriber.close());
  return new Promise((resolve) => {
    void subscriber.connect("127.0.0.1", (server.address() as { port: number }).port, { disconnectCb: resolve });
  });
}

it("a publisher whose changes do not fit, or are none, is one that breaks the protocol", async () => {
  const init = '{"action":"init","struct":{"a":[1],"b":{}}}\n';
  for (const change of [
    '{"action":"pop","path":["a"],"i":7}',
    '{"action":"append","path":["constructor"],"x":1}',
    '{"action":"delitem","path":[],"key":"__proto__"}',
    '{"action":"setitem","path":["b","c"],"key":"d","value":1}',
    // What JSON has no word for: the action's name is a whole number past 2**53.
    '{"action":99999999999999999999,"path":[]}',
    `{"action":"${"x".repeat(100_000)}","path":[]}`,
  ]) {
    const error = await endAfter(`${init}${change}\n`);
    expect(error, change.slice(0, 80)).toMatchObject({ code: "ERR_SPINN_PROTOCOL" });
    expect(error!.message).not.toMatch(/TypeError/);
    expect(error!.message.length).toBeLessThan(500);
  }
});

it("a log entry of endless lines is cut off before it fills the memory; others are served", async () => {
  const entries: string[] = [];
  const server = new LogServer((source) => void entries.push(source));
  await server.start();
  closers.push(() => server.stop());
  const socket = connectTcp(server.port, "127.0.0.1");
  socket.on("error", () => {});
  const closed = new Promise<void>((resolve) => void socket.once("close", () => resolve()));
  socket.write("ARTIQ logging\nbad:INFO<10000>:n:x\n");
  const line = `${"y".repeat(100_000)}\n`;
  while (!socket.destroyed && socket.writable && socket.bytesWritten < 64 << 20) {
    if (!socket.write(line)) await Promise.race([new Promise<void>((resolve) => void socket.once("drain", () => resolve())), closed]);
  }
  socket.destroy();
  await closed;
  expect(server.counters.cutOff).toBe(1);
  const good = connectTcp(server.port, "127.0.0.1");
  closers.push(() => good.destroy());
  good.write("ARTIQ logging\ngood:INFO<2>:n:x\ny\n");
  await expect.poll(() => entries).toEqual(["good"]);
});

it("TLS below 1.2 is refused", async () => {
  const pem = (name: string): string => readFileSync(new URL(`../../fixtures/sipyco/tls/${name}`, import.meta.url), "utf8");
  const server = new RpcServer({ t: {} }, { tls: { cert: pem("server.pem"), key: pem("server.key") } });
  await server.start();
  closers.push(() => server.stop());
  const version = (most: "TLSv1.1" | "TLSv1.2" | "TLSv1.3"): Promise<string | null> =>
    new Promise((resolve) => {
      // Certificates are another test's: this one asks which versions are spoken.
      const options = { ca: pem("server.pem"), checkServerIdentity: () => undefined, minVersion: "TLSv1" as const, maxVersion: most };
      const socket = connectTls(server.port, "127.0.0.1", { ...options, ciphers: "DEFAULT@SECLEVEL=0" }, () => {
        resolve(socket.getProtocol());
        socket.destroy();
      });
      socket.on("error", () => resolve(null));
    });
  expect([await version("TLSv1.1"), await version("TLSv1.2"), await version("TLSv1.3")]).toEqual([null, "TLSv1.2", "TLSv1.3"]);
});

it("text of a core cannot steer the terminal that shows it; files and pipes get it as it is", () => {
  const hostile = "a\u001b]0;title\u0007b\u001b[2Jc\rd\u009b5ne\r\n\tf\u001b[31mred\u001b[39m\n";
  const written = (isTTY: boolean): string => {
    const texts: string[] = [];
    const stream = { isTTY, writableLength: 0, write: (text: string) => texts.push(text), on: () => undefined };
    const terminal = new Terminal({ stdin: {}, stdout: stream as never, stderr: stream as never }, { progress: false });
    terminal.out(hostile);
    terminal.complain(hostile);
    return texts.join("");
  };
  const shown = "a\\x1b]0;title\\x07b\\x1b[2Jc\\x0dd\\x9b5ne\r\n\tf\u001b[31mred\u001b[39m\n";
  expect(written(true)).toBe(`${shown}${shown}\n`);
  expect(written(false)).toBe(`${hostile}${hostile}\n`);
});
