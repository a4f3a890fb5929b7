import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { connect, type Socket } from "node:net";
import { setImmediate as turn } from "node:timers/promises";
import fc from "fast-check";
import { afterEach, describe, expect, it } from "vitest";
import { ArmMachine, type ArmTrouble, armProgram, ElfFile, GdbServer } from "../../../src/emulator/index.js";
import { CoreState } from "../../../src/machine/index.js";
import { application, BenchChip } from "../bench-chip.js";

const ELF_PATH = new URL("../../../fixtures/apps/faulty.elf", import.meta.url);
const elf = ElfFile.read(new Uint8Array(readFileSync(ELF_PATH)));
const addressOf = (name: string) => elf.functionNamed(name)!.address.toString(16);

/** A gdb of the test's own: packets out, contents of packets in. */
class Client {
  readonly #socket: Socket;
  #bytes = "";
  isClosed = false;

  constructor(socket: Socket) {
    this.#socket = socket;
    socket.setEncoding("latin1");
    socket.on("data", (bytes: string) => {
      this.#bytes += bytes;
    });
    socket.on("close", () => {
      this.isClosed = true;
    });
    socket.on("error", () => undefined);
  }

  static open(port: number): Promise<Client> {
    return new Promise((resolve) => {
      const socket = connect(port, "127.0.0.1", () => resolve(new Client(socket)));
    });
  }

  raw(bytes: string): void {
    this.#socket.write(bytes, "latin1");
  }

  send(content: string): void {
    const sum = [...content].reduce((total, letter) => (total + letter.charCodeAt(0)) & 0xff, 0);
    this.raw(`$${content}#${sum.toString(16).padStart(2, "0")}`);
  }

  /** The next packet, acknowledged. */
  async next(): Promise<string> {
    for (;;) {
      const match = /\$([^#]*)#([0-9a-f]{2})/.exec(this.#bytes);
      if (match !== null) {
        this.#bytes = this.#bytes.slice(match.index + match[0].length);
        this.raw("+");
        return match[1]!;
      }
      if (this.isClosed) throw new Error("closed");
      await turn();
    }
  }

  async ask(content: string): Promise<string> {
    this.send(content);
    return this.next();
  }

  /** Bytes that came and are no packet. */
  get loose(): string {
    return this.#bytes;
  }

  close(): void {
    this.#socket.destroy();
  }
}

describe("gdb server", () => {
  let server: GdbServer;
  let client: Client;
  let machine: ArmMachine;
  let chip: BenchChip;
  let troubles: ArmTrouble[];
  let isOpen: boolean;

  const open = async (ways: readonly number[], { name = "faulty", attach = true } = {}) => {
    chip = new BenchChip();
    machine = new ArmMachine();
    troubles = [];
    const choose = armProgram({ machine, speed: 0, onTrouble: (trouble) => troubles.push(trouble) });
    for (const [index, way] of ways.entries()) {
      chip.setUser(index + 1, 1, way);
      choose().start(chip.context(index + 1, application(name)));
    }
    server = await GdbServer.listen(machine);
    isOpen = true;
    machine.paused = true;
    if (attach) {
      client = await Client.open(server.port);
      while (!server.isAttached) await turn();
    }
    // The machine's owner: lets time pass whenever it may.
    void (async () => {
      while (isOpen) {
        machine.advance(machine.now + 20_000);
        await turn();
      }
    })();
  };
  afterEach(async () => {
    isOpen = false;
    client?.close();
    await server.close();
    await server.close();
  });
  const word = (value: number) => [0, 8, 16, 24].map((shift) => ((value >>> shift) & 0xff).toString(16).padStart(2, "0")).join("");
  const register = async (index: number) => {
    const hex = await client.ask(`p${index.toString(16)}`);
    return Number.parseInt(hex.replace(/(..)(..)(..)(..)/, "$4$3$2$1"), 16);
  };

  it("attaching stops time; breakpoint, steps, registers, memory, continue to the failure, which can be passed on", async () => {
    await open([9]);
    expect(await client.ask("qSupported:swbreak+")).toMatch(/PacketSize=4000/);
    expect(await client.ask("?")).toMatch(/^T05.*thread:1;/);
    const before = machine.now;
    await turn();
    expect(machine.now).toBe(before);
    expect(await client.ask("qfThreadInfo")).toBe("m1");
    expect(Buffer.from(await client.ask("qThreadExtraInfo,1"), "hex").toString()).toBe("core 1,2,1");
    expect(await client.ask("qXfer:features:read:target.xml:0,ffb")).toMatch(/^l<\?xml.*armv5te/);

    expect(await client.ask(`Z0,${addressOf("store")},2`)).toBe("OK");
    expect(await client.ask("vCont;c")).toMatch(/^T05.*thread:1;/);
    expect((await register(15)).toString(16)).toBe(addressOf("store"));
    const [address, value] = [await register(3), await register(1)];
    expect(await client.ask("vCont;s:1;c")).toMatch(/^T05/);
    expect(await register(15)).toBe(Number.parseInt(addressOf("store"), 16) + 2);
    expect([await register(3), await register(1)]).toEqual([address, value]);
    // The second time round; what the first one stored is there, read as bytes and as a word.
    expect(await client.ask("c")).toMatch(/^T05/);
    expect((await register(15)).toString(16)).toBe(addressOf("store"));
    expect(await client.ask("m40fff8,4")).toBe("00000000");
    expect(await client.ask("M40fff8,4:78563412")).toBe("OK");
    expect(await client.ask("m40fff9,2")).toBe("5634");
    expect(await client.ask("P5=01000000")).toBe("OK");
    expect(await register(5)).toBe(1);
    const all = await client.ask("g");
    expect(all).toHaveLength(17 * 8);
    expect(await client.ask(`G${all}`)).toBe("OK");

    expect(await client.ask(`z0,${addressOf("store")},2`)).toBe("OK");
    expect(await client.ask("P5=f8ff4000")).toBe("OK");
    expect(await client.ask("c")).toMatch(/^T0b/);
    expect((await register(15)).toString(16)).not.toBe("10");
    expect(troubles).toEqual([]);
    client.send("vCont;C0b:1;c");
    while (troubles.length === 0) await turn();
    expect(troubles[0]!.message).toMatch(/past the end of DTCM/);
    expect(troubles[0]!.dump!.registers[15]).toBe(elf.functionNamed("store")!.address + 6);
    expect(chip.vcpu(1, "cpu_state")).toBe(CoreState.RTE);
  });

  it("cores are threads: each has its registers, all stop together", async () => {
    await open([7, 7, 9]);
    expect(await client.ask(`Z0,${addressOf("store")},2`)).toBe("OK");
    expect(await client.ask("c")).toMatch(/^T05.*thread:3;/);
    expect(await client.ask("Hg2")).toBe("OK");
    const spinning = await register(15);
    expect(elf.functionAt(spinning)?.name).not.toBe("store");
    expect(await client.ask("Hg3")).toBe("OK");
    expect((await register(15)).toString(16)).toBe(addressOf("store"));
    expect(await client.ask("T2")).toBe("OK");
    expect(await client.ask("T9")).toBe("E03");
    expect(await client.ask("Hg9")).toBe("E03");
  });

  it("Ctrl-C, a watchpoint, and detaching lets it run on", async () => {
    await open([7]);
    client.send("c");
    while (machine.now < 400_000) await turn();
    client.raw("\x03");
    expect(await client.next()).toMatch(/^T02/);
    const { now } = machine;
    expect(await client.ask("Z2,e50070ff,1")).toBe("OK"); // a byte of user3
    client.send("c");
    while (machine.paused) await turn();
    chip.setUser(1, 3, 0x1100_0000);
    expect(await client.next()).toMatch(/^T05.*watch:e50070ff;/);
    expect(await client.ask("Z3,400000,4")).toBe("");
    expect(await client.ask("Z2,400000,1000")).toBe("E1c");
    expect(await client.ask("D")).toBe("OK");
    while (server.isAttached) await turn();
    while (machine.now < now + 2_000_000) await turn();
    expect(chip.vcpu(1, "cpu_state")).toBe(CoreState.RUN);
  });

  it("stopping at every turn changes nothing of what the program does", async () => {
    await open([1000], { name: "hello" });
    for (const place of [0x80, 0x200, 0x400, 0x600]) await client.ask(`Z0,${place.toString(16)},4`);
    client.send("c");
    for (let stops = 0; stops < 40 && chip.vcpu(1, "cpu_state") !== CoreState.EXIT; stops++) {
      const answer = await Promise.race([client.next(), ended()]);
      if (answer === "ended") break;
      client.send(stops % 2 === 0 ? "s" : "c");
    }
    const debugged = { instructions: machine.instructions, text: chip.iobuf(1) };
    const alone = new BenchChip();
    const other = new ArmMachine();
    alone.setUser(1, 1, 1000);
    armProgram({ machine: other, speed: 0 })().start(alone.context(1, application("hello")));
    other.advance(machine.now);
    expect(debugged).toEqual({ instructions: other.instructions, text: alone.iobuf(1) });

    async function ended(): Promise<string> {
      while (chip.vcpu(1, "cpu_state") !== CoreState.EXIT) await turn();
      return "ended";
    }
  });

  it("packets that make no sense are answered with errors or nothing, overlong ones cut the connection", async () => {
    await open([7]);
    for (const [packet, answer] of [
      ["m400000", "E16"],
      ["m400000,zz", "E16"],
      ["m90000000,4", "E0e"],
      ["m10000014,10", "E0e"],
      ["M400000,4:00", "E16"],
      ["M400000,1:0g", "E16"],
      ["pff", "E16"],
      ["P0=00", "E16"],
      ["G00", "E16"],
      ["Z0,zz,2", "E16"],
      ["nonsense", ""],
      ["vMustReplyEmpty", ""],
    ] as const)
      expect(await client.ask(packet), packet).toBe(answer);
    expect((await client.ask("m400000,ffffffff")).length).toBeLessThanOrEqual(0x4000);
    client.raw("$p0#00");
    while (!client.loose.includes("-")) await turn();
    client.raw(`$${"m".repeat(0x5000)}`);
    while (!client.isClosed) await turn();
    while (server.isAttached) await turn();
    expect(machine.paused).toBe(false);
  });

  it("bytes of all kinds hurt nobody", async () => {
    await open([7]);
    const noise = fc.sample(fc.string({ unit: "binary", maxLength: 60 }), 200);
    for (const [index, text] of noise.entries()) {
      const bytes = Buffer.from(text).toString("latin1").replaceAll("\x03", "");
      if (index % 2 === 0) client.send(bytes.replace(/[#$}ckDsvCS]/g, "m"));
      else client.raw(bytes.replaceAll("$", ""));
    }
    expect(machine.coreCount).toBe(1);
    client.close();
    while (server.isAttached) await turn();
    client = await Client.open(server.port);
    while (!server.isAttached) await turn();
    expect(await client.ask("?")).toMatch(/^T05/);
  });

  it("a word it holds comes back in the order of the processor", async () => {
    await open([7]);
    expect(await client.ask(`P4=${word(0x12345678)}`)).toBe("OK");
    expect(await register(4)).toBe(0x12345678);
    machine.cores[0]!.core.cpu.read32(0);
    expect(machine.cores[0]!.core.cpu.r[4]).toBe(0x12345678);
  });

  const gdb = spawnSync("gdb-multiarch", ["--version"]);
  it.skipIf(gdb.status !== 0)(
    "gdb-multiarch itself: break, backtrace, step, read, continue to the failure",
    async () => {
      await open([9], { attach: false });
      const { spawn } = await import("node:child_process");
      const commands = [
        `target remote 127.0.0.1:${server.port}`,
        "info threads",
        "break store",
        "continue",
        "backtrace",
        "stepi",
        "x/1xw 0x40fff0",
        "delete",
        "continue",
        "print $r0",
        "kill",
      ];
      const child = spawn("gdb-multiarch", ["-nx", "-batch", ...commands.flatMap((text) => ["-ex", text]), ELF_PATH.pathname]);
      let output = "";
      child.stdin.end();
      child.stdout.on("data", (bytes: Buffer) => {
        output += bytes.toString();
      });
      const late = setTimeout(() => child.kill(), 20_000);
      await new Promise((resolve) => child.on("close", resolve));
      clearTimeout(late);
      expect(output).toMatch(/core 1,2,1/);
      expect(output).toMatch(/Breakpoint 1, 0x[0-9a-f]+ in store \(\)/);
      expect(output).toMatch(/#1 .* in store_all.*\n#2 .* in app_main.*\n#3 .* in runtime_main/);
      expect(output).toMatch(/SIGSEGV[\s\S]*= 4259840/);
    },
    30_000,
  );
});
