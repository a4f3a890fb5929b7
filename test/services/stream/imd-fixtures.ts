import { readFileSync } from "node:fs";
import { createServer, type Socket } from "node:net";
import type { IMDFrame } from "../../../src/services/stream/index.js";

export interface Packet {
  readonly from: "server" | "client";
  readonly hex?: string;
  readonly event?: "close";
  readonly decoded?: { readonly type: string; readonly [member: string]: unknown };
}

export interface Session {
  readonly name: string;
  readonly exchange: readonly Packet[];
  readonly complete: boolean;
}

export interface Malformed {
  readonly name: string;
  readonly what: string;
  readonly client_atoms: number;
  readonly server_hex: string;
  readonly server_then: string;
  readonly expect: string;
}

export interface Watermark {
  readonly frames_in_buffer: number;
  readonly pause_empty_proportion: number;
  readonly unpause_empty_proportion: number;
  readonly pause_sent_when_full_reaches: number;
  readonly then_full: number;
  readonly then_empty: number;
  readonly resume_sent_on_get_number: number;
}

export interface FrameMemory {
  readonly version: 2 | 3;
  readonly atoms: number;
  readonly blocks: string;
  readonly frame_memory: number;
  readonly wire_bytes: number;
  readonly frames_in_10MiB: number;
}

export const fixtures = JSON.parse(readFileSync(new URL("../../../fixtures/imd.json", import.meta.url), "utf8")) as {
  sessions: Session[];
  malformed: Malformed[];
  watermarks: Watermark[];
  frame_memory: FrameMemory[];
};

export const unhex = (hex: string): Uint8Array => Uint8Array.from(Buffer.from(hex, "hex"));
export const hexOf = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");

/** Everything the server of a session sent. */
export const serverBytes = (session: Session): Uint8Array =>
  unhex(session.exchange.flatMap((packet) => (packet.from === "server" && packet.hex !== undefined ? [packet.hex] : [])).join(""));

/** Bytes behind HANDSHAKE and SESSIONINFO. */
export const streamBytes = (bytes: Uint8Array): Uint8Array => bytes.subarray(bytes[4] === 3 || bytes[7] === 3 ? 23 : 8);

const BLOCKS = ["FCOORDS", "VELOCITIES", "FORCES", "TIME", "BOX", "ENERGIES"];

/** Atoms of a session, from its first block of atoms; 4 where there is none. */
export const atomsOf = (session: Session): number =>
  (session.exchange.find((packet) => packet.decoded?.["atoms"] !== undefined)?.decoded?.["atoms"] as number | undefined) ?? 4;

export interface ExpectedFrame {
  readonly dt: number | undefined;
  readonly time: number | undefined;
  readonly step: number | undefined;
  readonly energies: Record<string, number> | undefined;
  readonly energiesAge: string;
  readonly box: readonly number[] | undefined;
  readonly positions: readonly number[] | undefined;
  readonly velocities: readonly number[] | undefined;
  readonly forces: readonly number[] | undefined;
}

/** The frames a session holds, from the decoded values beside its bytes. */
export function expectedFrames(session: Session): ExpectedFrame[] {
  const packets = session.exchange.filter((packet) => packet.from === "server").flatMap((packet) => packet.decoded ?? []);
  const v2 = packets[0]?.["version"] === 2;
  const blocks = packets.filter((packet) => BLOCKS.includes(packet.type));
  const last = v2 ? "FCOORDS" : blocks.at(-1)?.type;
  const frames: ExpectedFrame[] = [];
  let frame = new Map<string, Record<string, unknown>>();
  let carried: Record<string, number> | undefined;
  for (const block of blocks) {
    frame.set(block.type, block);
    if (block.type !== last) continue;
    const sent = frame.get("ENERGIES");
    const energies = sent === undefined ? carried : energiesOf(sent);
    carried = v2 ? energies : undefined;
    const time = frame.get("TIME");
    const numbers = (type: string, member: string): readonly number[] | undefined => frame.get(type)?.[member] as number[] | undefined;
    frames.push({
      dt: time?.["dt"] as number | undefined,
      time: time?.["time"] as number | undefined,
      step: (time?.["step"] as number | undefined) ?? (v2 ? (sent?.["tstep"] as number | undefined) : undefined),
      energies,
      energiesAge: v2 ? (sent !== undefined ? "fresh" : energies === undefined ? "none" : "old") : "fresh",
      box: numbers("BOX", "box"),
      positions: numbers("FCOORDS", "values"),
      velocities: numbers("VELOCITIES", "values"),
      forces: numbers("FORCES", "values"),
    });
    frame = new Map();
  }
  return frames;
}

function energiesOf(block: Record<string, unknown>): Record<string, number> {
  const names = {
    step: "tstep",
    temperature: "T",
    total: "Etot",
    potential: "Epot",
    vanDerWaals: "Evdw",
    coulomb: "Eelec",
    bonds: "Ebond",
    angles: "Eangle",
    dihedrals: "Edihe",
    impropers: "Eimpr",
  };
  return Object.fromEntries(Object.entries(names).map(([ours, theirs]) => [ours, block[theirs] as number]));
}

/** What a frame shows, as plain values. A version 3 frame without step has none even where its energies tell one. */
export function shown(frame: IMDFrame): ExpectedFrame {
  const list = (values: Float32Array | undefined): number[] | undefined => (values === undefined ? undefined : Array.from(values));
  const { dt, time, energies, energiesAge } = frame;
  const step = frame.layout.session.version === 3 && !frame.layout.session.time ? undefined : frame.step;
  return {
    dt,
    time,
    step,
    energies: energies === undefined ? undefined : { ...energies },
    energiesAge,
    box: list(frame.box),
    positions: list(frame.positions),
    velocities: list(frame.velocities),
    forces: list(frame.forces),
  };
}

export interface ScriptedServer extends AsyncDisposable {
  readonly port: number;
  /** Everything clients sent, connection after connection. */
  readonly received: () => Uint8Array;
  /** Resolves when `received` has so many bytes. */
  readonly receivedBytes: (count: number) => Promise<Uint8Array>;
  readonly connections: () => number;
}

/** A server that runs a script for every connection. */
export async function scriptedServer(script: (socket: Socket) => void): Promise<ScriptedServer> {
  const received: Buffer[] = [];
  const sockets = new Set<Socket>();
  let connections = 0;
  let waiting: (() => void)[] = [];
  const server = createServer({ noDelay: true, allowHalfOpen: true }, (socket) => {
    connections += 1;
    sockets.add(socket);
    socket.on("error", () => {});
    socket.on("data", (chunk) => {
      received.push(chunk);
      for (const wake of waiting.splice(0)) wake();
    });
    socket.on("end", () => socket.end());
    socket.on("close", () => sockets.delete(socket));
    script(socket);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  const port = typeof address === "object" && address !== null ? address.port : 0;
  const all = (): Uint8Array => Uint8Array.from(Buffer.concat(received));
  return {
    port,
    received: all,
    receivedBytes: async (count) => {
      while (all().length < count) await new Promise<void>((resolve) => waiting.push(resolve));
      waiting = [];
      return all();
    },
    connections: () => connections,
    [Symbol.asyncDispose]: () =>
      new Promise((resolve) => {
        for (const socket of sockets) socket.destroy();
        server.close(() => resolve());
      }),
  };
}
