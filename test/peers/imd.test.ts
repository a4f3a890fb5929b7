import { type ChildProcess, execFile, spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { describe, expect, test } from "vitest";
import { IMDClient, type IMDClientOptions, IMDServer } from "../../src/services/stream/index.js";

/** Real programs at the other end; each part runs only where it is told how, see test/README.md. */
const { SPINN_GMX: gmx, SPINN_LMP: lmp, SPINN_PEERS: peers } = process.env;
const checkout = `${peers ?? ""}/Becksteinlab+imdclient`;
const imdclient = peers !== undefined && existsSync(checkout) ? checkout : undefined;
const run = promisify(execFile);

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  await new Promise<void>((resolve) => server.close(() => resolve()));
  return typeof address === "object" && address !== null ? address.port : 0;
}

interface Engine extends AsyncDisposable {
  readonly port: number;
  readonly exit: Promise<number | null>;
  readonly output: () => string;
}

async function start(program: string, args: readonly string[], folder: string, port: number, ready: string): Promise<Engine> {
  const child: ChildProcess = spawn(program, args, { cwd: folder, env: { ...process.env, OMP_NUM_THREADS: "1", GMX_MAXBACKUP: "-1" } });
  let output = "";
  const exit = new Promise<number | null>((resolve) => child.once("exit", resolve));
  await new Promise<void>((resolve, reject) => {
    const look = (chunk: Buffer): void => {
      output += chunk.toString();
      if (output.includes(ready)) resolve();
    };
    child.stdout!.on("data", look);
    child.stderr!.on("data", look);
    child.once("error", reject);
    child.once("exit", (code) => reject(new Error(`${program} ended with ${code}: ${output.slice(-500)}`)));
  });
  return {
    port,
    exit,
    output: () => output,
    [Symbol.asyncDispose]: async () => {
      child.kill("SIGKILL");
      await exit;
      await rm(folder, { recursive: true, force: true });
    },
  };
}

/** 216 waters, of which the first `atoms` are shown. */
async function gromacs(steps: number, atoms: number): Promise<Engine> {
  const folder = await mkdtemp(join(tmpdir(), "spinnkit-gmx-"));
  const port = await freePort();
  const { stdout } = await run(gmx!, ["--version"]);
  const top = join(stdout.match(/^Data prefix:\s*(.*)$/m)![1]!, "share/gromacs/top");
  const numbers = (count: number): string => Array.from({ length: count }, (_, i) => `${i + 1}${i % 15 === 14 ? "\n" : " "}`).join("");
  const settings = {
    integrator: "md",
    dt: 0.002,
    nsteps: steps,
    nstcalcenergy: 10,
    nstenergy: 0,
    nstlog: 0,
    coulombtype: "Reaction-Field",
    "epsilon-rf": 0,
    rcoulomb: 0.85,
    rvdw: 0.85,
    tcoupl: "v-rescale",
    "tc-grps": "System",
    "tau-t": 0.5,
    "ref-t": 300,
    "gen-vel": "yes",
    "gen-temp": 300,
    "gen-seed": 1,
    "IMD-group": "SHOWN",
  };
  await writeFile(
    join(folder, "topol.top"),
    '#include "gromos54a7.ff/forcefield.itp"\n#include "gromos54a7.ff/spc.itp"\n[ system ]\nwater\n[ molecules ]\nSOL 216\n',
  );
  await writeFile(
    join(folder, "md.mdp"),
    Object.entries(settings)
      .map(([name, value]) => `${name} = ${value}\n`)
      .join(""),
  );
  await writeFile(join(folder, "index.ndx"), `[ System ]\n${numbers(648)}\n[ SHOWN ]\n${numbers(atoms)}\n`);
  const grompp = [
    "grompp",
    "-f",
    "md.mdp",
    "-c",
    join(top, "spc216.gro"),
    "-p",
    "topol.top",
    "-n",
    "index.ndx",
    "-o",
    "run.tpr",
    "-maxwarn",
    "3",
  ];
  await run(gmx!, grompp, { cwd: folder, env: { ...process.env, GMX_MAXBACKUP: "-1" } });
  const mdrun = ["mdrun", "-nt", "1", "-s", "run.tpr", "-deffnm", "run", "-imdport", `${port}`, "-imdwait", "-imdterm", "-imdpull"];
  return start(gmx!, mdrun, folder, port, "Will wait until I have a connection");
}

/** A Lennard-Jones fluid of 500 atoms, of which the first `atoms` are shown. */
async function lammps(steps: number, atoms: number): Promise<Engine> {
  const folder = await mkdtemp(join(tmpdir(), "spinnkit-lmp-"));
  const port = await freePort();
  const script = [
    "units lj",
    "atom_style atomic",
    "atom_modify map array",
    "lattice fcc 0.8442",
    "region box block 0 5 0 5 0 5",
    "create_box 1 box",
    "create_atoms 1 box",
    "mass 1 1.0",
    "velocity all create 1.44 1 loop geom",
    "pair_style lj/cut 2.5",
    "pair_coeff 1 1 1.0 1.0 2.5",
    "fix 1 all nve",
    `group shown id 1:${atoms}`,
    `fix 2 shown imd ${port} trate 1`,
    "thermo 1000",
    `run ${steps}`,
  ];
  await writeFile(join(folder, "in.lj"), `${script.join("\n")}\n`);
  return start("stdbuf", ["-oL", lmp!, "-in", "in.lj", "-log", "none"], folder, port, "Waiting for IMD connection");
}

const connect = (engine: Engine, nAtoms: number, options: IMDClientOptions = {}): Promise<IMDClient> =>
  IMDClient.connect("127.0.0.1", engine.port, nAtoms, { timeoutMs: 10_000, ...options });

describe.skipIf(gmx === undefined)("GROMACS", { timeout: 60_000 }, () => {
  // GROMACS tells step + 1, and N + 1 frames.
  const all = Array.from({ length: 401 }, (_, k) => k + 1);

  test("a whole run, slower read than made: paused and resumed, every step seen", async () => {
    await using engine = await gromacs(400, 9);
    await using client = await connect(engine, 9, { frames: 16 });
    const steps: (number | undefined)[] = [];
    const reading = (async () => {
      for await (const frame of client) {
        steps.push(frame.step);
        expect(frame.positions!.every(Number.isFinite)).toBe(true);
        await new Promise((resolve) => setTimeout(resolve, 2));
      }
    })();
    // An engine that exits with a command unread resets the connection, which can cost the last frames and is told as what it is.
    await reading.catch((error) => expect(error).toMatchObject({ code: "ERR_SPINN_INCOMPLETE", message: /ECONNRESET/ }));
    expect(steps).toEqual(all.slice(0, steps.length));
    if (client.ended?.code === "ERR_SPINN_END_OF_STREAM") expect(steps).toHaveLength(401);
    expect(client.stats.pausesSent).toBeGreaterThan(2);
    expect(await engine.exit).toBe(0);
  });

  test("the same without a pause, by not reading: nothing can be lost", async () => {
    await using engine = await gromacs(400, 9);
    await using client = await connect(engine, 9, { frames: 16, overflow: "block" });
    const steps: (number | undefined)[] = [];
    for await (const frame of client) {
      steps.push(frame.step);
      await new Promise((resolve) => setTimeout(resolve, 2));
    }
    expect(steps).toEqual(all);
    expect(client.stats.pausesSent).toBe(0);
    expect(client.ended?.code).toBe("ERR_SPINN_END_OF_STREAM");
    expect(await engine.exit).toBe(0);
  });

  test("rate, forces and kill", async () => {
    await using engine = await gromacs(1_000_000, 9);
    await using client = await connect(engine, 9, { trate: 20 });
    const first = (await client.getIMDFrame()).step!;
    await client.sendForces([0, 3], [1, 0, 0, 0, -1, 0.5]);
    const second = (await client.getIMDFrame()).step!;
    const third = (await client.getIMDFrame()).step!;
    expect([first % 20, third - second]).toEqual([1, 20]);
    client.kill();
    for await (const frame of client) expect(frame.step! % 20).toBe(1);
    expect(client.ended?.code).toBe("ERR_SPINN_END_OF_STREAM");
    // 2 is what this version exits with when it was told to stop.
    expect([0, 2]).toContain(await engine.exit);
  });

  test("a client that leaves is waited for again", async () => {
    await using engine = await gromacs(1_000_000, 3);
    for (let visit = 0; visit < 2; visit += 1) {
      const client = await connect(engine, 3, { continueAfterDisconnect: true });
      await client.getIMDFrame();
      client.pause();
      client.resume();
      await client.getIMDFrame();
      await client.stop();
    }
    expect(engine.output()).toContain("Will wait until I have a connection");
  });
});

describe.skipIf(lmp === undefined)("LAMMPS", { timeout: 60_000 }, () => {
  test("a whole run, slower read than made: paused and resumed, no frame skipped", async () => {
    await using engine = await lammps(500, 10);
    await using client = await connect(engine, 10, { frames: 16 });
    let frames = 0;
    for await (const frame of client) {
      frames += 1;
      expect([frame.energies, frame.positions!.length]).toEqual([undefined, 30]);
      if (frames % 4 === 0) await new Promise((resolve) => setTimeout(resolve, 2));
    }
    expect(frames).toBe(500);
    expect(client.stats.pausesSent).toBeGreaterThan(2);
    expect(client.ended?.code).toBe("ERR_SPINN_END_OF_STREAM");
    expect(await engine.exit).toBe(0);
  });

  test("a client whose buffer turns out too small does not end the run", async () => {
    await using engine = await lammps(200, 10);
    await expect(connect(engine, 10, { bufferSizeBytes: 120 })).rejects.toMatchObject({ code: "ERR_SPINN_ARGUMENT" });
    await using client = await connect(engine, 10);
    let frames = 0;
    for await (const frame of client) frames += frame.positions === undefined ? 0 : 1;
    // The steps until the first client had left were sent to nobody.
    expect(frames).toBeGreaterThan(100);
    expect(await engine.exit).toBe(0);
  });

  test("kill ends the run", async () => {
    await using engine = await lammps(100_000_000, 10);
    await using client = await connect(engine, 10, { trate: 100 });
    await client.getIMDFrame();
    await client.sendForces([0], [1, 0, 0]);
    client.kill();
    for await (const frame of client) expect(frame.positions!.length).toBe(30);
    expect(await engine.exit).toBe(1);
  });
});

/** Reads a session with imdclient and prints what it saw as one line of JSON. */
const READER = `
import importlib.metadata, json, sys, time
importlib.metadata.version = lambda name: "0"
sys.path.insert(0, sys.argv[1])
from imdclient.IMDClient import IMDClient
client = IMDClient("127.0.0.1", int(sys.argv[2]), int(sys.argv[3]), buffer_size=int(sys.argv[4]), timeout=10)
info = client.get_imdsessioninfo()
frames = []
while True:
    try:
        frame = client.get_imdframe()
    except EOFError as end:
        break
    time.sleep(float(sys.argv[5]))
    flat = lambda a: None if a is None else [float(v) for v in a.reshape(-1)]
    frames.append(dict(step=None if frame.step is None else int(frame.step), time=frame.time, box=flat(frame.box), energies=frame.energies and dict(frame.energies),
                       positions=flat(frame.positions), velocities=flat(frame.velocities), forces=flat(frame.forces)))
client.stop()
print(json.dumps(dict(version=info.version, endianness=info.endianness, frames=frames, end=str(end) if "end" in dir() else "")))
`;

describe.skipIf(imdclient === undefined)("Python imdclient reads our server", { timeout: 60_000 }, () => {
  test.each([
    { version: 3, byteOrder: "little" },
    { version: 3, byteOrder: "big" },
    { version: 2, byteOrder: "little" },
    { version: 2, byteOrder: "big" },
  ] as const)("version $version, $byteOrder: every frame, paused and resumed", async ({ version, byteOrder }) => {
    const total = 600;
    await using server = await IMDServer.listen(3, { version, byteOrder });
    // A buffer of some twenty frames and a slow consumer: the peer pauses us again and again.
    const reading = run("python3", ["-c", READER, imdclient!, `${server.port}`, "3", "4000", "0.003"], { maxBuffer: 1 << 26 });
    const frame = server.createFrame();
    const energies = { total: -1, potential: -2, vanDerWaals: 3, coulomb: 4, bonds: 5, angles: 6, dihedrals: 7, impropers: 8 };
    for (let step = 0; step < total; step += 1) {
      if (version === 3) frame.setTime(0.5, step / 2, step);
      frame.setEnergies({ step, temperature: 300 + step, ...energies });
      for (const array of [frame.box, frame.positions, frame.velocities, frame.forces])
        array?.set(Array.from(array, (_, i) => step + i / 8));
      expect(await server.sendFrame(frame)).toBe(true);
      // A simulation that takes its time, so that a pause reaches it before everything is sent.
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
    await server.disconnect();
    const result = JSON.parse((await reading).stdout) as { version: number; endianness: string; frames: Record<string, unknown>[] };
    expect([result.version, result.endianness]).toEqual([version, byteOrder === "little" ? "<" : ">"]);
    expect(result.frames).toHaveLength(total);
    expect(server.pausesTaken).toBeGreaterThan(0);
    result.frames.forEach((got, step) => {
      expect(got["positions"]).toEqual(Array.from({ length: 9 }, (_, i) => step + i / 8));
      expect(got["energies"]).toMatchObject({ temperature: 300 + step });
      if (version === 2) return;
      expect(got).toMatchObject({ step, time: step / 2 });
      expect(got["box"]).toEqual(Array.from({ length: 9 }, (_, i) => step + i / 8));
      expect(got["forces"]).toEqual(got["velocities"]);
    });
  });
});
