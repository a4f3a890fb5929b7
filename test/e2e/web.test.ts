import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { chmod, readFile, stat } from "node:fs/promises";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { collect, command, start, temporaryFolder } from "./spinn.js";

let state: Awaited<ReturnType<typeof temporaryFolder>>;
const children: ChildProcess[] = [];

beforeEach(async () => {
  state = await temporaryFolder();
});
afterEach(async () => {
  for (const child of children.splice(0)) {
    if (child.exitCode !== null) continue;
    child.kill();
    await once(child, "exit");
  }
  await state[Symbol.asyncDispose]();
});

interface Served {
  readonly url: string;
  readonly token: string;
  readonly stderr: () => string;
  readonly child: ChildProcess;
}

async function serve(words: readonly string[], variables: Readonly<Record<string, string>> = {}): Promise<Served> {
  const child = start(["serve", "--simulation", "--port", "0", "--json", ...words], {
    variables: { XDG_STATE_HOME: state.path, ...variables },
  });
  children.push(child);
  const [stdout, stderr] = [collect(child.stdout!), collect(child.stderr!)];
  while (!stdout().endsWith("\n")) {
    if (child.exitCode !== null) throw new Error(stderr());
    await once(child.stdout!, "data");
  }
  const { web } = JSON.parse(stdout()) as { web: { url: string; allow: boolean } };
  expect(web.allow).toBe(words.includes("--web-allow"));
  const { origin, hash } = new URL(web.url);
  return { url: origin, token: hash.slice(1), stderr, child };
}

const ask = (served: Served, path: string, init: RequestInit = {}, token = served.token): Promise<Response> =>
  fetch(served.url + path, { ...init, headers: { authorization: `Bearer ${token}`, "x-spinn-page": "page-e2e", ...init.headers } });

const call = (served: Served, value: unknown): Promise<Response> =>
  ask(served, "/call", { method: "POST", body: JSON.stringify(value), headers: { "content-type": "application/json" } });

describe("spinn serve --web", () => {
  it("serves a page that looks, with a key that is kept for the next time and that nobody else can read", async () => {
    const first = await serve(["--web", "0"]);
    expect((await fetch(first.url)).headers.get("content-type")).toBe("text/html; charset=utf-8");
    expect((await ask(first, "/chip/0,0")).status).toBe(200);
    expect((await ask(first, "/chip/0,0", {}, "another-key-altogether")).status).toBe(401);
    expect((await call(first, { target: "board", method: "stop", args: { app_id: 30 } })).status).toBe(403);
    expect(first.stderr()).not.toContain(first.token);
    first.child.kill();
    await once(first.child, "exit");
    const path = `${state.path}/spinn/web-token`;
    expect((await readFile(path, "utf8")).trim()).toBe(first.token);
    expect((await stat(path)).mode & 0o777).toBe(0o600);
    const second = await serve(["--web", "127.0.0.1:0"]);
    expect(second.token).toBe(first.token);
    await chmod(path, 0o644);
    const third = await serve(["--web", "0"]);
    expect(third.token).not.toBe(first.token);
    expect(third.stderr()).toContain("others could read");
  });

  it("acts when it is told that it may, and takes its key from the environment", async () => {
    const served = await serve(["--web", "0", "--web-allow"], { SPINN_WEB_TOKEN: "a-key-from-the-environment" });
    expect(served.token).toBe("a-key-from-the-environment");
    expect(
      await (await call(served, { target: "board", method: "wait_for", args: { app_id: 30, states: ["RUN"], count: 1 } })).json(),
    ).toEqual({
      result: { run: "1" },
    });
    expect(await (await call(served, { target: "runs", method: "request_stop", args: ["1"] })).json()).toEqual({ result: null });
  });

  it("says when the key cannot be kept", async () => {
    const served = await serve(["--web", "0"], { XDG_STATE_HOME: "/dev/null" });
    expect(served.stderr()).toMatch(/key cannot be kept/);
    expect((await ask(served, "/chip/0,0")).status).toBe(200);
  });

  it.each([
    [["--web-allow"], "add --web"],
    [["--web", "0", "--web-allow", "--allow", "look"], "--allow look and --web-allow"],
    [["--web", "nowhere"], "write PORT or HOST:PORT"],
    [["--web", "99999"], "65535"],
    [["--web", "--web-events", "8"], "--web-events"],
  ])("refuses %j", async (words, said) => {
    const run = await command(["serve", "--simulation", "--port", "0", ...words]);
    expect(run).toMatchObject({ status: 2, stderr: expect.stringContaining(said) as string });
  });
});
