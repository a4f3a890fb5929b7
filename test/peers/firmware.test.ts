import { createSocket } from "node:dgram";
import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { armProgram } from "../../src/emulator/index.js";
import { SiliconMachine, SimulatedMachine } from "../../src/simulator/index.js";
import { commandName, encodeScpRequest } from "../../src/wire/index.js";
import { FATAL_REQUESTS, type JudgedRequest, judgedRequests } from "./firmware-requests.js";

/**
 * The firmware itself on emulated chips judges the simulated machine: one list of requests to both, every reply byte compared. Runs where
 * SPINN_FIRMWARE names an image of SC&MP 4.0.0 (scamp.boot of spinnaker_tools); see test/README.md.
 */
const file = process.env["SPINN_FIRMWARE"];
/** Longer than the monitor waits for another chip: P2P gives up after some 0.4 s. */
const SILENCE_MS = 1500;

const VERSION: JudgedRequest = { name: "VER", x: 0, y: 0, core: 0, command: 0, ignore: [[8, 4]] };

interface Pair extends AsyncDisposable {
  /** Asks both; gives what differs in words, or `undefined`. */
  compare(request: JudgedRequest, sequence: number): Promise<string | undefined>;
}

describe.skipIf(file === undefined)("the simulated machine and the firmware", () => {
  it.each(["spin3", "spin5"] as const)(
    "answer alike on %s",
    async (board) => {
      await using pair = await startPair(board);
      const differences: string[] = [];
      for (const [sequence, request] of judgedRequests().entries()) {
        const difference = await pair.compare(request, sequence);
        if (difference !== undefined) differences.push(difference);
        if (request.settleMs !== undefined) await new Promise((resolve) => setTimeout(resolve, request.settleMs));
      }
      expect(differences.join("\n")).toBe("");
    },
    120_000,
  );

  it.each(FATAL_REQUESTS)(
    "fall silent alike after $name",
    async (request) => {
      await using pair = await startPair("spin3");
      const { x, y } = request;
      const differences = [await pair.compare(request, 1), await pair.compare({ ...VERSION, x, y }, 2), await pair.compare(VERSION, 3)];
      expect(differences.filter((difference) => difference !== undefined)).toEqual([]);
    },
    60_000,
  );
});

async function startPair(board: "spin3" | "spin5"): Promise<Pair> {
  const judge = await SiliconMachine.start({ board, port: 0, image: readFileSync(file!) });
  await judge.ready;
  const simulated = await SimulatedMachine.start({ board, port: 0, programs: armProgram() });
  const hosts = [new Host(judge.boards[0]!.address), new Host(simulated.boards[0]!.address)];
  return {
    async compare(request, sequence) {
      const [real, played] = await Promise.all(hosts.map((host) => host.ask(request, sequence)));
      const [a, b] = [masked(real, request), masked(played, request)];
      if (a === b) return undefined;
      return `${request.name} (${commandName(request.command)}) to ${request.x},${request.y},${request.core}\n  firmware  ${a}\n  simulated ${b}`;
    },
    async [Symbol.asyncDispose]() {
      for (const host of hosts) host[Symbol.dispose]();
      await Promise.all([judge.close(), simulated.close()]);
    },
  };
}

/** A host of one machine: one request at a time. */
class Host implements Disposable {
  readonly #socket = createSocket("udp4");
  readonly #to: { readonly host: string; readonly port: number };
  #answer: (reply: Buffer | undefined) => void = () => undefined;

  constructor(to: { readonly host: string; readonly port: number }) {
    this.#to = to;
    this.#socket.on("message", (reply) => this.#answer(reply));
  }

  /** Sends a request and gives the reply; `undefined` after a silence. */
  ask(request: JudgedRequest, sequence: number): Promise<Buffer | undefined> {
    const [arg1 = 0, arg2 = 0, arg3 = 0] = request.args ?? [];
    const bytes = encodeScpRequest({
      flags: 0x87,
      tag: 0xff,
      destPort: request.sdpPort ?? 0,
      destCpu: request.core,
      srcPort: 7,
      srcCpu: 31,
      destX: request.x,
      destY: request.y,
      srcX: 0,
      srcY: 0,
      command: request.command,
      sequence,
      arg1: arg1 >>> 0,
      arg2: arg2 >>> 0,
      arg3: arg3 >>> 0,
      data: request.data ?? new Uint8Array(),
    });
    return new Promise((resolve) => {
      const silence = setTimeout(() => resolve(undefined), SILENCE_MS);
      this.#answer = (reply) => {
        clearTimeout(silence);
        resolve(reply);
      };
      this.#socket.send(request.cut === undefined ? bytes : bytes.subarray(0, request.cut), this.#to.port, this.#to.host);
    });
  }

  [Symbol.dispose](): void {
    this.#socket.close();
  }
}

/** The reply in hex without what may differ: the two pad bytes, and what the request says. */
function masked(reply: Buffer | undefined, { ignore = [] }: JudgedRequest): string {
  if (reply === undefined) return "silence";
  const bytes = Buffer.from(reply);
  bytes.fill(0, 0, 2);
  for (const [offset, length] of ignore) if (14 + offset < bytes.length) bytes.fill(0, 14 + offset, 14 + offset + length);
  return bytes.toString("hex");
}
