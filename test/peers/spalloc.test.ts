import { type ChildProcess, spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { armProgram } from "../../src/emulator/index.js";
import { connect, Signal, Transceiver } from "../../src/index.js";
import { allocate, Job, SpallocClient } from "../../src/services/allocation/index.js";
import { SimulatedMachine } from "../../src/simulator/index.js";
import { SilentBoard } from "../e2e/spinn.js";
import { rejection } from "../services/allocation/fake-server.js";

/**
 * The real classic spalloc server, unmodified, which switches simulated boards through simulated BMPs. Runs where SPINN_PEERS names a folder with
 * `SpiNNakerManchester+spalloc_server` at tag v0.5.2 and `project-rig+rig`.
 */
const peers = process.env["SPINN_PEERS"] ?? "";
const python = process.env["SPINN_PEER_PYTHON"] ?? "/usr/bin/python3";
const [checkout, rig] = [join(peers, "SpiNNakerManchester+spalloc_server"), join(peers, "project-rig+rig")];
const isThere = peers !== "" && [join(checkout, "spalloc_server"), rig].every((path) => existsSync(path));
const here = (file: string): string => fileURLToPath(new URL(file, import.meta.url));
const NET = `127.94.${process.pid % 250}`;

let machine: SimulatedMachine;
let silent: SilentBoard;
let folder: string;
let server: string;
let child: ChildProcess;

/** Two machines: a triad of simulated boards in one frame, and a board whose BMP says nothing. */
const configuration = (port: number): string => `
configuration = Configuration(port=${port}, ip="127.0.0.1", timeout_check_interval=0.2, machines=[
    Machine(name="triad", tags=set(["default"]), width=1, height=1, dead_boards=set(), dead_links=set(),
            board_locations={(0, 0, 0): (0, 1, 0), (0, 0, 1): (0, 1, 1), (0, 0, 2): (0, 1, 2)},
            bmp_ips={(0, 1): "${NET}.101"},
            spinnaker_ips={(0, 0, 0): "${NET}.1", (0, 0, 1): "${NET}.2", (0, 0, 2): "${NET}.3"}),
    Machine.single_board("mute", tags=set(["mute"]), bmp_ip="${NET}.201", spinnaker_ip="${NET}.200"),
])
`;

async function freePort(): Promise<number> {
  const listener = createServer();
  await new Promise<void>((resolve) => listener.listen(0, "127.0.0.1", resolve));
  const { port } = listener.address() as { port: number };
  await new Promise((resolve) => listener.close(resolve));
  return port;
}

async function startServer(): Promise<[ChildProcess, string]> {
  const port = await freePort();
  const file = join(folder, `lab-${port}.py`);
  await writeFile(file, configuration(port));
  const started = spawn(python, [here("spalloc_server_peer.py"), checkout, rig, file], {
    stdio: ["ignore", "inherit", "pipe"],
    cwd: folder,
  });
  let text = "";
  await new Promise<void>((resolve, reject) => {
    started.stderr!.on("data", (chunk) => {
      text += chunk;
      if (text.includes("Server running")) resolve();
    });
    started.on("exit", () => reject(new Error(`the server did not start: ${text}`)));
  });
  return [started, `127.0.0.1:${port}`];
}

async function stopServer(which: ChildProcess, signal: NodeJS.Signals = "SIGKILL"): Promise<void> {
  if (which.exitCode !== null || which.signalCode !== null) return;
  const ended = new Promise((resolve) => which.once("exit", resolve));
  which.kill(signal);
  await ended;
}

async function until(condition: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await condition())) await new Promise((resolve) => setTimeout(resolve, 50));
}

const powered = (): boolean[] => machine.boards.map((board) => board.powered);
const held = async (): Promise<number> => {
  await using client = await SpallocClient.connect({ host: "127.0.0.1", port: Number(server.split(":")[1]) });
  return (await client.listJobs()).length;
};

describe.skipIf(!isThere)("the real spalloc server", () => {
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "spinn-spalloc-"));
    machine = await SimulatedMachine.start({
      board: { triads: [1, 1] },
      host: `${NET}.1`,
      bmpHost: `${NET}.101`,
      powered: false,
      booted: false,
      timeScale: 0.01,
      programs: armProgram({ speed: Number.POSITIVE_INFINITY }),
    });
    silent = await SilentBoard.listen(`${NET}.201`);
    [child, server] = await startServer();
  });

  afterAll(async () => {
    await stopServer(child);
    await machine.close();
    await silent[Symbol.asyncDispose]();
    await rm(folder, { recursive: true, force: true });
  });

  it("powers simulated boards through simulated BMPs: allocate, boot, run, release", async () => {
    expect(powered()).toEqual([false, false, false]);
    {
      await using job = await allocate({ server, boards: 3, owner: "peer" });
      expect(powered()).toEqual([true, true, true]);
      expect(job.boards).toMatchObject({ machine: "triad", width: 12, height: 12, host: `${NET}.1` });
      expect(job.boards.connections).toEqual([
        { chip: { x: 0, y: 0 }, host: `${NET}.1` },
        { chip: { x: 4, y: 8 }, host: `${NET}.3` },
        { chip: { x: 8, y: 4 }, host: `${NET}.2` },
      ]);
      expect(await job.whereIs({ x: 9, y: 5 })).toMatchObject({
        position: { cabinet: 0, frame: 1, board: 1 },
        boardChip: { x: 1, y: 1 },
        jobId: job.id,
      });
      const image = await readFile(here("../../fixtures/bringup/simulated.boot"));
      await job.connect((host, options) => Transceiver.boot(image, { host, ...options }));
      await using spinn = await job.connect(connect);
      expect((await spinn.discover()).machine.chips.size).toBe(144);
      const cores = [{ x: 8, y: 4, p: 1 }];
      const aplx = await readFile(here("../../fixtures/apps/hello.aplx"));
      await spinn.load(aplx, cores, { appId: 30, wait: true });
      await spinn.sendSignal(Signal.START, { appId: 30 });
      await until(async () => (await spinn.readIobuf(cores[0]!)).includes("hello"));
      await job.powerOff();
      expect(powered()).toEqual([false, false, false]);
      await job.powerOn();
      expect(powered()).toEqual([true, true, true]);
    }
    await until(() => powered().every((on) => !on));
    expect(await held()).toBe(0);
  }, 90_000);

  it("refuses what no machine could ever hold", async () => {
    expect(await rejection(allocate({ server, boards: 4 }))).toMatchObject({
      code: "ERR_SPINN_REMOTE",
      message: expect.stringContaining("No suitable machines available"),
    });
    expect(await held()).toBe(0);
  });

  it("gives up on a board that never powers on; nothing stays allocated", async () => {
    const error = await rejection(allocate({ server, tags: ["mute"], powerTimeoutMs: 1500 }));
    expect(error).toMatchObject({ code: "ERR_SPINN_BOOT", message: expect.stringContaining("not on after 1500 ms") });
    expect(silent.received).toBeGreaterThan(0);
    expect(await held()).toBe(0);
  }, 30_000);

  it("ends a job whose keepalive is lost, which its holder hears of at once", async () => {
    await using client = await SpallocClient.connect({ host: "127.0.0.1", port: Number(server.split(":")[1]) });
    const jobId = await client.createJob({ keepaliveMs: 1000, owner: "peer" });
    const elsewhere = { ...client.keepalivePlan(jobId), port: 9 };
    // A thread that cannot reach the server, and questions that are rarer than the keepalive.
    client.keepalivePlan = () => elsewhere as ReturnType<SpallocClient["keepalivePlan"]>;
    await using job = new Job(client, jobId, 1000, { pollMs: 60_000 });
    await until(() => job.lost.aborted);
    expect(job.lost.reason).toMatchObject({ code: "ERR_SPINN_REMOTE", message: expect.stringMatching(/timed out/i) });
  }, 30_000);

  it("gets its boards back from a client that was killed", async () => {
    const words = ["alloc", "1", "--spalloc", server, "--keepalive", "2s"];
    const client = spawn(process.execPath, [here("../../dist/cli/main.js"), ...words], { stdio: ["ignore", "pipe", "ignore"] });
    const host = await new Promise<string>((resolve) => client.stdout.once("data", (chunk) => resolve(String(chunk).trim())));
    expect(host).toBe(`${NET}.1`);
    expect(await held()).toBe(1);
    await stopServer(client, "SIGKILL");
    await until(async () => (await held()) === 0);
  }, 60_000);

  it("is missed when it dies, in bounded time", async () => {
    const [mortal, where] = await startServer();
    await using job = await allocate({ server: where, keepaliveMs: 1000, pollMs: 200 });
    await stopServer(mortal);
    await until(() => job.lost.aborted);
    expect(job.lost.reason).toMatchObject({ code: "ERR_SPINN_UNREACHABLE", message: expect.stringContaining("is silent for") });
  }, 60_000);
});
