import { readFileSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { inspect } from "node:util";
import { afterEach, describe, expect, it, vi } from "vitest";
import { openAllocator, SpallocWebClient } from "../../src/services/allocation/index.js";
import { Client, MessageCodec, parseConnection, readConnectionFile } from "../../src/services/cluster/index.js";
import { RpcServer } from "../../src/services/rpc/index.js";
import { isToken, makeToken } from "../../src/web/guard.js";
import { collect, start, temporaryFolder } from "../e2e/spinn.js";
import { FakeWebService } from "../services/allocation/fake-web-service.js";

const compared = vi.hoisted(() => [] as number[]);
vi.mock("node:crypto", async (original) => {
  const real = await original<typeof import("node:crypto")>();
  const timingSafeEqual: typeof real.timingSafeEqual = (a, b) => {
    compared.push(a.byteLength);
    return real.timingSafeEqual(a, b);
  };
  return { ...real, timingSafeEqual };
});
afterEach(() => {
  compared.length = 0;
});

const SECRET = "s3cret-Pa55w0rd";
/** What the fake service wants. */
const PASSWORD = "secret";
const everything = (value: unknown): string => `${inspect(value, { depth: 10, showHidden: true })} ${JSON.stringify(value)}`;
const failure = async (work: () => unknown): Promise<unknown> => {
  try {
    await work();
  } catch (error) {
    return error;
  }
  throw new Error("it did not fail");
};

describe("tokens are compared in constant time", () => {
  it("the page's key, whatever its length and wherever it is wrong", () => {
    const token = makeToken();
    expect(isToken(token, token)).toBe(true);
    for (const wrong of ["", "x", token.slice(0, -1), `${token}x`, `x${token.slice(1)}`, `${token.slice(0, -1)}!`]) {
      expect(isToken(token, wrong)).toBe(false);
    }
    // Digests, each as long as the other: neither length nor place shows.
    expect(compared).toEqual(new Array(7).fill(32));
  });

  it("a cluster's signatures", () => {
    const codec = new MessageCodec(SECRET);
    const header = { msg_id: "1", msg_type: "t", username: "u", session: "s", date: "2026-01-01T00:00:00Z", version: "5.3" };
    const frames = codec.encode({ header });
    codec.decode(frames);
    const forged = frames.map((frame, i) => (i === 1 ? Buffer.from("0".repeat(64)) : frame));
    expect(() => new MessageCodec(SECRET).decode(forged)).toThrow(/wrong signature/);
    expect(compared).toEqual([64, 64]);
  });
});

describe("no secret is in an error, a log or a process list", () => {
  it("the page's key: not in the arguments, and in no log", { timeout: 30_000 }, async () => {
    const token = `key-of-a-test-${makeToken()}`;
    const words = ["serve", "--simulation", "--port", "0", "--notify-port", "0", "--web", "0", "--json"];
    const child = start(words, { variables: { SPINN_WEB_TOKEN: token, NODE_DEBUG: "spinn,http,net" } });
    const stderr = collect(child.stderr!);
    const line = await new Promise<string>((resolve) => child.stdout!.once("data", (data: Buffer) => resolve(data.toString())));
    const { web } = JSON.parse(line) as { readonly web: { readonly url: string } };
    const url = new URL(web.url);
    // Told once, to whoever started it, behind #: that part no browser sends.
    expect(url.hash).toBe(`#${token}`);
    const headers = { "x-spinn-page": "page-0123456789" };
    const right = { ...headers, authorization: `Bearer ${token}`, "content-type": "application/json" };
    const ask = (more: Record<string, string>) => fetch(new URL("/call", url), { method: "POST", headers: more, body: "{}" });
    expect([(await ask(right)).status, (await ask({ ...right, authorization: `Bearer ${token}x` })).status]).toEqual([400, 401]);
    if (process.platform === "linux") expect(readFileSync(`/proc/${child.pid}/cmdline`, "utf8")).not.toContain(token);
    child.kill("SIGTERM");
    await new Promise((resolve) => child.once("close", resolve));
    // What Node itself shows of its requests with NODE_DEBUG=http is not ours; our own lines have our name.
    const ours = stderr()
      .split("\n")
      .filter((text) => /SPINN|spinn/.test(text));
    expect(ours.length).toBeGreaterThan(0);
    expect(ours.join("\n")).not.toContain(token);
  });

  it("a user and a password in the address of a spalloc service", async () => {
    for (const address of [
      `ftp://me:${SECRET}@lab/spalloc/`,
      `me:${SECRET}@lab:22244`,
      `//me:${SECRET}@lab`,
      `https://me:${SECRET}@lab:99999/`,
    ]) {
      expect(everything(await failure(() => openAllocator(address))), address).not.toContain(SECRET);
    }
    const credentials = { username: "me", password: SECRET };
    for (const url of [`ftp://me:${SECRET}@lab/`, `https://me:${SECRET}@lab:99999/`, `http://me:${SECRET}@lab.example/`]) {
      expect(everything(await failure(() => SpallocWebClient.connect({ url, credentials }))), url).not.toContain(SECRET);
    }
  });

  it("a % that begins no escape there is said without the password", async () => {
    const error = await failure(() => openAllocator(`https://me:%zz${SECRET}@127.0.0.1:1/spalloc/`));
    expect(error).toMatchObject({ code: "ERR_SPINN_ARGUMENT", hint: expect.stringContaining("%25") as string });
    expect(everything(error)).not.toContain(SECRET);
  });

  it("a client of a spalloc service shows nothing, nor do the addresses it asks for, nor its errors", async () => {
    await using service = await FakeWebService.start();
    const client = await SpallocWebClient.connect({ url: service.url, credentials: { username: "me", password: PASSWORD } });
    const basic = Buffer.from(`me:${PASSWORD}`).toString("base64");
    service.special = (line) => (line.includes("machines") ? { status: 500, text: "broken" } : undefined);
    const error = await failure(() => client.listMachines());
    for (const secret of [`me:${PASSWORD}`, `"${PASSWORD}"`, `'${PASSWORD}'`, basic]) {
      expect(everything(client)).not.toContain(secret);
      expect(everything(error)).not.toContain(secret);
      expect(service.asked.join("\n")).not.toContain(secret);
    }
    await client.close();
  });

  it("a cluster's key", { timeout: 30_000 }, async () => {
    await using folder = await temporaryFolder();
    const path = join(folder.path, "ipcontroller-client.json");
    await writeFile(path, `{"key": "${SECRET}" x}`);
    expect(everything(await failure(() => readConnectionFile(path)))).not.toContain(SECRET);
    const wrong = { key: SECRET, curve_serverkey: `${SECRET}-curve`, interface: "tcp://127.0.0.1", control: 1, mux: 1, task: 1, iopub: 1 };
    const rest = { notification: 1, registration: 1, broadcast: 1, hb_ping: 1, hb_pong: 1 };
    expect(everything(await failure(() => parseConnection({ ...wrong, ...rest })))).not.toContain(SECRET);
    const codec = new MessageCodec(SECRET);
    expect(everything(codec)).not.toContain(SECRET);
    expect(
      everything(await failure(() => codec.decode([Buffer.from("<IDS|MSG>"), ...new Array<Buffer>(5).fill(Buffer.from("{}"))]))),
    ).not.toContain(SECRET);
    expect(typeof Client).toBe("function");
  });

  it("a TLS key that is none, or another's", async () => {
    const pem = (name: string): string => readFileSync(new URL(`../../fixtures/sipyco/tls/${name}`, import.meta.url), "utf8");
    const key = pem("server.key");
    const inner = key.split("\n")[2]!;
    for (const tls of [
      { cert: pem("client.pem"), key },
      { cert: pem("server.pem"), key: key.replace("-----BEGIN", "-----BEGAN") },
      { cert: pem("server.pem"), key: key.slice(0, -80) },
    ]) {
      const error = await failure(() => new RpcServer({ t: {} }, { tls }).start());
      expect(error).toMatchObject({ code: "ERR_SPINN_ARGUMENT" });
      expect(everything(error)).not.toContain(inner);
    }
  });
});
