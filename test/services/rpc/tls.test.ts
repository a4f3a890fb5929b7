import { readFileSync } from "node:fs";
import { connect as connectTcp } from "node:net";
import { afterEach, expect, it } from "vitest";
import { Notifier, Publisher, Subscriber } from "../../../src/services/publish/index.js";
import { Client, RpcServer, type TlsServerIdentity } from "../../../src/services/rpc/index.js";
import { type PlainMethods, plainTarget } from "./lab-target.js";

// Self-signed, made for these tests; the keys protect nothing.
const pem = (name: string): string => readFileSync(new URL(`../../../fixtures/sipyco/tls/${name}`, import.meta.url), "utf8");
const identity = (own: string, peer: string): TlsServerIdentity => ({
  cert: pem(`${own}.pem`),
  key: pem(`${own}.key`),
  peerCert: pem(`${peer}.pem`),
});

const closers: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

it("serves whom it trusts and nobody else, calls and published state alike", async () => {
  const tls = identity("server", "client");
  const server = new RpcServer({ plain: plainTarget() }, { tls });
  const publisher = new Publisher({ state: new Notifier({ n: 1 }) }, { tls });
  for (const one of [server, publisher]) {
    await one.start();
    closers.push(() => one.stop());
  }
  const client = await Client.connect<PlainMethods>("127.0.0.1", server.port, { tls: identity("client", "server") });
  closers.push(() => client.close());
  expect(await client.rpc.echo("secret")).toBe("secret");
  const subscriber = new Subscriber<{ n: number }>("state", (struct) => struct as { n: number });
  await subscriber.connect("127.0.0.1", publisher.port, { tls: identity("client", "server") });
  closers.push(() => subscriber.close());
  while (subscriber.target === undefined) await new Promise((resolve) => setImmediate(resolve));
  expect(subscriber.target.n).toBe(1);

  // A client that trusts another server, one that the server does not trust, and two that speak no TLS at all.
  await expect(Client.connect("127.0.0.1", server.port, { tls: identity("client", "stranger") })).rejects.toMatchObject({
    code: "ERR_SPINN_UNREACHABLE",
  });
  await expect(Client.connect("127.0.0.1", server.port, { tls: identity("stranger", "server") })).rejects.toMatchObject({
    code: "ERR_SPINN_UNREACHABLE",
  });
  await expect(Client.connect("127.0.0.1", server.port)).rejects.toMatchObject({ code: "ERR_SPINN_UNREACHABLE" });
  const garbage = connectTcp(server.port, "127.0.0.1", () => garbage.end("x".repeat(1000)));
  garbage.on("error", () => {});
  await new Promise((resolve) => garbage.once("close", resolve));
  expect(await client.rpc.ping()).toBe(true);
});
