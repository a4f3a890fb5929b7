import { execFileSync, spawnSync } from "node:child_process";
import { writeFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { afterEach, describe, expect, it } from "vitest";
import { Subscriber } from "../../src/services/publish/index.js";
import { command, Served, temporaryFolder } from "./spinn.js";

const pem = (name: string): string => fileURLToPath(new URL(`../../fixtures/sipyco/tls/${name}`, import.meta.url));
const hasOpenssl = spawnSync("openssl", ["version"]).status === 0;

const opened: Served[] = [];
afterEach(async () => {
  for (const served of opened.splice(0)) await served.stop();
});

async function serve(...words: string[]): Promise<Served["ready"]> {
  const served = await Served.start(["--simulation", ...words]);
  opened.push(served);
  return served.ready;
}

describe("a controller with TLS", () => {
  it("serves clients that it knows, calls and state, and refuses others", async () => {
    const words = ["--tls-cert", pem("server.pem"), "--tls-key", pem("server.key"), "--tls-ca", pem("client.pem")];
    const { port, notifyPort, tls } = await serve(...words);
    expect(tls).toBe(true);
    const known = `tls://127.0.0.1:${port}?ca=${pem("server.pem")}&cert=${pem("client.pem")}&key=${pem("client.key")}`;
    expect(await command(["info", "--via", known])).toMatchObject({ status: 0, stdout: expect.stringMatching(/whole/) as string });
    expect(await command(["runs", "--via", known])).toMatchObject({ status: 0, stdout: "no runs\n" });
    const identity = { cert: "client.pem", key: "client.key", peerCert: "server.pem" };
    const { readFileSync } = await import("node:fs");
    const tlsOf = Object.fromEntries(Object.entries(identity).map(([name, file]) => [name, readFileSync(pem(file))]));
    const subscriber = new Subscriber<{ board: unknown }>("board", (struct) => struct as { board: unknown });
    await subscriber.connect("127.0.0.1", notifyPort, { tls: tlsOf, values: "plain" });
    await expect.poll(() => subscriber.target?.board).toMatchObject({ simulation: true });
    await subscriber.close();
    for (const via of [
      `tls://127.0.0.1:${port}?ca=${pem("server.pem")}`,
      `tls://127.0.0.1:${port}?ca=${pem("server.pem")}&cert=${pem("stranger.pem")}&key=${pem("stranger.key")}`,
      `tls://127.0.0.1:${port}?ca=${pem("stranger.pem")}&cert=${pem("client.pem")}&key=${pem("client.key")}`,
      `tls://127.0.0.1:${port}`,
      `127.0.0.1:${port}`,
    ]) {
      const run = await command(["info", "--via", via]);
      expect(run, via).toMatchObject({ status: 4, stdout: "" });
    }
    expect((await command(["info", "--via", known])).status).toBe(0);
  });

  it("without --tls-ca serves whoever comes, encrypted", async () => {
    const { port } = await serve("--tls-cert", pem("server.pem"), "--tls-key", pem("server.key"));
    expect((await command(["info", "--via", `tls://localhost:${port}?ca=${pem("server.pem")}`])).status).toBe(0);
    expect((await command(["info", "--via", `127.0.0.1:${port}`])).status).toBe(4);
  });

  it.skipIf(!hasOpenssl)("a certificate of an authority counts for the names in it alone", async () => {
    await using folder = await temporaryFolder();
    const openssl = (...words: string[]) => execFileSync("openssl", words, { cwd: folder.path, stdio: "pipe" });
    const curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];
    openssl("req", "-x509", ...curve, "-keyout", "ca.key", "-out", "ca.pem", "-days", "30", "-subj", "/CN=a lab's own authority");
    openssl("req", ...curve, "-keyout", "host.key", "-out", "host.csr", "-subj", "/CN=lab-pc");
    await writeFile(folder.file("names"), "subjectAltName=DNS:localhost\n");
    openssl("x509", "-req", "-in", "host.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-days", "30", "-extfile", "names", "-out", "host.pem");
    const { port } = await serve("--tls-cert", folder.file("host.pem"), "--tls-key", folder.file("host.key"));
    expect((await command(["info", "--via", `tls://localhost:${port}?ca=${folder.file("ca.pem")}`])).status).toBe(0);
    const wrong = await command(["info", "--via", `tls://127.0.0.1:${port}?ca=${folder.file("ca.pem")}`]);
    expect(wrong).toMatchObject({ status: 4, stderr: expect.stringContaining("127.0.0.1") as string });
  });

  it("says what is wrong with its files", async () => {
    const own = ["serve", "--simulation", "--port", "0"];
    const cases: [string[], number, RegExp][] = [
      [["--tls-cert", pem("server.pem")], 2, /TLS needs a certificate and its key/],
      [["--tls-cert", "nothing.pem", "--tls-key", pem("server.key")], 2, /nothing\.pem cannot be read/],
      [["--tls-cert", pem("server.pem"), "--tls-key", pem("client.key")], 2, /TLS: .*mismatch/],
      [["--tls-cert", "package.json", "--tls-key", "package.json"], 2, /TLS: /],
      [["--tls-cert", pem("server.pem"), "--tls-key", pem("server.key"), "--tls-ca", "package.json"], 2, /no certificate to trust/],
    ];
    for (const [words, status, said] of cases) {
      const run = await command([...own, ...words]);
      expect(run.status, run.stderr).toBe(status);
      expect(run.stderr).toMatch(said);
    }
    expect(await command(["info", "--via", "tls://127.0.0.1:1?ca=nothing.pem"])).toMatchObject({ status: 2 });
    expect(await command(["info", "--via", "tls://127.0.0.1:1?cert=a"])).toMatchObject({ status: 2 });
    expect(await command(["info", "--via", "tls://127.0.0.1:1?password=a"])).toMatchObject({ status: 2 });
  });
});
