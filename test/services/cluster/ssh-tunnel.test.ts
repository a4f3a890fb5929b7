import { chmod, mkdtemp, rm, writeFile } from "node:fs/promises";
import { connect, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { openSshTunnel } from "../../../src/services/cluster/ssh-tunnel.js";
import { rejection } from "./recorded.js";

/** Forwards as ssh -L does, and writes down what it was called with. `refuse@` asks for a password it may not ask for. */
const STAND_IN = `#!${process.execPath}
const { connect, createServer } = require("node:net");
const args = process.argv.slice(2);
if (args.at(-1).startsWith("refuse@")) { console.error("Permission denied (publickey,password)."); process.exit(255); }
if (args.at(-1).startsWith("slow@")) setInterval(() => {}, 1000);
else args.forEach((arg, i) => {
  if (args[i - 1] !== "-L") return;
  const [host, port, farHost, farPort] = arg.split(":");
  createServer((near) => {
    const far = connect(Number(farPort), farHost);
    near.pipe(far).pipe(near);
    near.on("error", () => far.destroy());
    far.on("error", () => near.destroy());
  }).listen(Number(port), host);
});
`;

describe("an ssh tunnel", () => {
  let folder = "";
  let command = "";
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "spinn-ssh-"));
    command = join(folder, "ssh.cjs");
    await writeFile(command, STAND_IN);
    await chmod(command, 0o755);
  });
  afterAll(() => rm(folder, { recursive: true }));

  it("forwards addresses, and is gone when it is closed", async () => {
    const server = createServer((socket) => socket.end("hello"));
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const far = `tcp://127.0.0.1:${(server.address() as { readonly port: number }).port}`;
    const tunnel = await openSshTunnel([far], { server: "me@host:2222", command });
    const near = tunnel.addresses.get(far)!;
    expect(near).toMatch(/^tcp:\/\/127\.0\.0\.1:\d+$/);
    const port = Number(near.split(":").at(-1));
    const heard = await new Promise<string>((resolve, reject) => {
      let text = "";
      connect(port, "127.0.0.1")
        .on("data", (data) => {
          text += data;
        })
        .on("end", () => resolve(text))
        .on("error", reject);
    });
    expect(heard).toBe("hello");
    const ended: unknown[] = [];
    tunnel.onEnd((error) => ended.push(error));
    tunnel.close();
    let refused = false;
    while (!refused) {
      const socket = connect(port, "127.0.0.1");
      refused = await new Promise<boolean>((resolve) => socket.on("error", () => resolve(true)).on("connect", () => resolve(false)));
      socket.destroy();
    }
    expect(ended).toEqual([]);
    await new Promise((resolve) => server.close(resolve));
  });

  it("names what ssh said, and is bounded in time", async () => {
    const far = ["tcp://127.0.0.1:9"];
    expect(await rejection(openSshTunnel(far, { server: "refuse@host", command }))).toMatchObject({
      code: "ERR_SPINN_UNREACHABLE",
      message: expect.stringMatching(/exit status 255.*Permission denied/),
      hint: expect.stringContaining("BatchMode=yes refuse@host"),
    });
    expect(await rejection(openSshTunnel(far, { server: "slow@host", command, timeoutMs: 100 }))).toMatchObject({
      message: expect.stringContaining("within 100 ms"),
    });
    const stop = AbortSignal.timeout(100);
    expect(await rejection(openSshTunnel(far, { server: "slow@host", command, signal: stop }))).toMatchObject({
      code: "ERR_SPINN_ABORTED",
    });
    expect(await rejection(openSshTunnel(far, { server: "h", command: join(folder, "none") }))).toMatchObject({
      message: expect.stringContaining("did not start"),
    });
  });

  it("takes no options for servers, and no addresses but TCP", async () => {
    for (const [far, server] of [
      ["tcp://127.0.0.1:9", "-oProxyCommand=x"],
      ["ipc:///tmp/x-9", "host"],
    ]) {
      expect(await rejection(openSshTunnel([far!], { server: server!, command }))).toMatchObject({ code: "ERR_SPINN_ARGUMENT" });
    }
  });
});
