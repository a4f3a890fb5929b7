import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { SpinnError } from "../../../src/errors.js";
import {
  createIMDFrame,
  decodeIMDHandshake,
  decodeIMDSessionInfo,
  encodeIMDForces,
  encodeIMDFrame,
  encodeIMDHandshake,
  encodeIMDHeader,
  encodeIMDSessionInfo,
  IMDFrameBuffer,
  type IMDFrameBufferOptions,
  IMDPacketType,
  type IMDProducer,
  IMDProducerV2,
  IMDProducerV3,
  type IMDSessionInfo,
  imdPacketName,
  imdSessionInfoV2,
} from "../../../src/services/stream/index.js";
import { atomsOf, type ExpectedFrame, expectedFrames, fixtures, hexOf, serverBytes, shown, streamBytes, unhex } from "./imd-fixtures.js";

function sessionOf(bytes: Uint8Array): IMDSessionInfo {
  const { version, byteOrder } = decodeIMDHandshake(bytes);
  return version === 2 ? imdSessionInfoV2(byteOrder) : decodeIMDSessionInfo(bytes.subarray(8, 23), byteOrder);
}

function start(
  session: IMDSessionInfo,
  nAtoms: number,
  options: IMDFrameBufferOptions = { frames: 4 },
): { buffer: IMDFrameBuffer; producer: IMDProducer } {
  const buffer = new IMDFrameBuffer(session, nAtoms, options);
  return { buffer, producer: session.version === 3 ? new IMDProducerV3(buffer) : new IMDProducerV2(buffer) };
}

/** Feeds a stream cut at the given places and takes each frame as it comes. */
function feedAll(session: IMDSessionInfo, nAtoms: number, stream: Uint8Array, cuts: readonly number[]): ExpectedFrame[] {
  const { buffer, producer } = start(session, nAtoms, { frames: 1, overflow: "block" });
  const frames: ExpectedFrame[] = [];
  const take = (): void => {
    const frame = buffer.tryGet();
    if (frame !== undefined) frames.push(shown(frame));
  };
  let from = 0;
  for (const to of [...cuts, stream.length]) {
    while (from < to) {
      from = producer.feed(stream, from, to);
      take();
    }
  }
  take();
  expect(producer.midFrame).toBe(false);
  expect(producer.bytesRead).toBe(stream.length);
  return frames;
}

const complete = fixtures.sessions.filter((session) => serverBytes(session).length > 23 && session.complete);

describe("golden sessions", () => {
  test("there are sessions of both versions and both orders", () => {
    const kinds = new Set(
      complete.map((session) => `${sessionOf(serverBytes(session)).version} ${sessionOf(serverBytes(session)).byteOrder}`),
    );
    expect([...kinds].sort()).toEqual(["2 big", "2 little", "3 big", "3 little"]);
  });

  test.each(complete.map((session) => [session.name, session] as const))(
    "%s: in one piece, byte by byte, and cut anywhere",
    (_, session) => {
      const bytes = serverBytes(session);
      const info = sessionOf(bytes);
      const stream = streamBytes(bytes);
      const expected = expectedFrames(session);
      expect(feedAll(info, atomsOf(session), stream, [])).toEqual(expected);
      const everywhere = Array.from(stream, (_byte, index) => index);
      expect(feedAll(info, atomsOf(session), stream, everywhere)).toEqual(expected);
      for (let cut = 0; cut < stream.length; cut += 1) expect(feedAll(info, atomsOf(session), stream, [cut]).length).toBe(expected.length);
    },
  );

  test.each(fixtures.sessions.filter((session) => session.complete).map((session) => [session.name, session] as const))(
    "%s: every packet encodes to the same bytes",
    (_, session) => {
      const info = sessionOf(serverBytes(session));
      for (const { hex, decoded } of session.exchange) {
        if (hex === undefined || decoded === undefined) continue;
        const type = IMDPacketType[decoded.type as keyof typeof IMDPacketType];
        expect(imdPacketName(type)).toBe(decoded.type);
        if (decoded.type === "HANDSHAKE") expect(hexOf(encodeIMDHandshake(info.version, info.byteOrder))).toBe(hex);
        else if (decoded.type === "SESSIONINFO") expect(hexOf(encodeIMDSessionInfo(info))).toBe(hex);
        else if (decoded.type === "MDCOMM") {
          const body = unhex(hex).subarray(8);
          const view = new DataView(body.buffer, body.byteOffset);
          const count = body.length / 16;
          const little = info.byteOrder === "little";
          const atoms = Array.from({ length: count }, (_x, i) => view.getInt32(4 * i, little));
          const forces = Array.from({ length: 3 * count }, (_x, i) => view.getFloat32(4 * count + 4 * i, little));
          expect(atoms).toEqual(decoded["index"]);
          expect(hexOf(encodeIMDForces(atoms, forces, atomsOf(session), info.byteOrder))).toBe(hex);
        } else if (!["TIME", "ENERGIES", "BOX", "FCOORDS", "VELOCITIES", "FORCES"].includes(decoded.type)) {
          expect(hexOf(encodeIMDHeader(type, decoded["length"] as number))).toBe(hex);
        }
      }
    },
  );

  test.each(complete.map((session) => [session.name, session] as const))("%s: frames encode to the stream they came from", (_, session) => {
    const bytes = serverBytes(session);
    const { buffer, producer } = start(sessionOf(bytes), atomsOf(session), { frames: 64 });
    producer.feed(streamBytes(bytes), 0, streamBytes(bytes).length);
    let hex = "";
    for (let frame = buffer.tryGet(); frame !== undefined; frame = buffer.tryGet()) hex += hexOf(encodeIMDFrame(frame));
    expect(hex).toBe(hexOf(streamBytes(bytes)));
  });
});

describe("both versions", () => {
  test("energies of version 2 are carried over by value, with their own step", () => {
    const session = fixtures.sessions.find(({ name }) => name === "v2/big/energies-sometimes")!;
    const { buffer, producer } = start(sessionOf(serverBytes(session)), 2, { frames: 8 });
    const stream = streamBytes(serverBytes(session));
    producer.feed(stream, 0, stream.length);
    // All frames wait at once: frames 1 and 2 must still show step 0, though step 3 has come since.
    const seen = [0, 1, 2, 3].map(() => {
      const frame = buffer.tryGet()!;
      return [frame.energiesAge, frame.energies?.step, frame.step];
    });
    expect(seen).toEqual([
      ["fresh", 0, 0],
      ["old", 0, undefined],
      ["old", 0, undefined],
      ["fresh", 3, 3],
    ]);
  });

  test("a copy stays when the frame is used again", () => {
    const session = fixtures.sessions.find(({ name }) => name === "v3/little/all")!;
    const { buffer, producer } = start(sessionOf(serverBytes(session)), 4, { frames: 1, overflow: "block" });
    const stream = streamBytes(serverBytes(session));
    const half = producer.feed(stream, 0, stream.length);
    const frame = buffer.tryGet()!;
    const copy = frame.copy();
    const before = shown(frame);
    expect(buffer.tryGet()).toBeUndefined();
    expect(producer.feed(stream, half, stream.length)).toBe(stream.length);
    const second = buffer.tryGet()!;
    expect(second).toBe(frame);
    expect(shown(second)).not.toEqual(before);
    expect(shown(copy)).toEqual(before);
    expect([copy.sequence, second.sequence]).toEqual([0, 1]);
  });

  test.each([2, 3] as const)("version %i stops where no frame is empty and goes on later", (version) => {
    const session = fixtures.sessions.find(({ name }) => name === (version === 2 ? "lammps/three-frames" : "v3/big/rate-wait"))!;
    const stream = streamBytes(serverBytes(session));
    const expected = expectedFrames(session);
    const { buffer, producer } = start(sessionOf(serverBytes(session)), atomsOf(session), { frames: 2, overflow: "block" });
    let at = producer.feed(stream, 0, stream.length);
    expect(at).toBeLessThan(stream.length);
    expect(producer.stalled).toBe(true);
    expect(producer.feed(stream, at, stream.length)).toBe(at);
    const got: ExpectedFrame[] = [];
    for (let frame = buffer.tryGet(); frame !== undefined; frame = buffer.tryGet()) {
      got.push(shown(frame));
      at = producer.feed(stream, at, stream.length);
    }
    expect(got).toEqual(expected);
  });

  test("drop-newest reads frames away, and the sequence shows the gap", () => {
    const session = fixtures.sessions.find(({ name }) => name === "v3/little/rate-wait")!;
    const stream = streamBytes(serverBytes(session));
    const frames = expectedFrames(session);
    const { buffer, producer } = start(sessionOf(serverBytes(session)), atomsOf(session), { frames: 2, overflow: "drop-newest" });
    expect(producer.feed(stream, 0, stream.length)).toBe(stream.length);
    expect(buffer.stats).toMatchObject({ full: 2, dropped: frames.length - 2 });
    expect([shown(buffer.tryGet()!), shown(buffer.tryGet()!)]).toEqual(frames.slice(0, 2));
  });

  test("steps that do not grow are passed on and counted", () => {
    const info = { ...imdSessionInfoV2("little"), version: 3 as const, time: true, energies: false };
    const source = createIMDFrame(info, 1);
    const { buffer, producer } = start(info, 1, { frames: 8 });
    for (const step of [5, 5, 4, 2 ** 40, -1]) {
      source.setTime(0.5, Number.NaN, step);
      const packet = encodeIMDFrame(source);
      producer.feed(packet, 0, packet.length);
    }
    expect(producer.stepsNotGrowing).toBe(3);
    expect([0, 1, 2, 3, 4].map(() => buffer.tryGet()!.step)).toEqual([5, 5, 4, 2 ** 40, -1]);
  });
});

describe("bad streams", () => {
  const v3: IMDSessionInfo = { ...imdSessionInfoV2("little"), version: 3, time: true, energies: false };
  const header = encodeIMDHeader;

  test.each([
    ["unknown type", 3, header(99, 1), /type 99 where the session promised TIME/],
    ["a negative type", 3, header(-1, 1), /type -1/],
    ["a block that was not announced", 3, header(13, 1), /BOX where/],
    ["length of TIME", 3, header(12, 2), /TIME of length 2/],
    ["unknown type", 2, header(99, 1), /type 99; a server of version 2/],
    ["a packet of version 3", 2, header(12, 1), /TIME; a server of version 2/],
    ["length of ENERGIES", 2, header(1, 0), /ENERGIES of length 0/],
    ["too many atoms", 2, header(2, 2147483647), /2147483647 atoms, 2 were expected/],
    ["a negative number of atoms", 2, header(2, -1), /-1 atoms/],
  ] as const)("%s (version %i)", (_, version, bytes, message) => {
    const { producer } = start(version === 3 ? v3 : imdSessionInfoV2("little"), 2);
    expect(() => producer.feed(bytes, 0, bytes.length)).toThrow(message);
  });

  test("atoms in version 3 are checked before a byte of the body is waited for", () => {
    const { producer } = start(v3, 2);
    const frame = createIMDFrame(v3, 2);
    const bytes = encodeIMDFrame(frame).slice(0, 40);
    new DataView(bytes.buffer).setInt32(36, 2000000000);
    let error: unknown;
    try {
      producer.feed(bytes, 0, bytes.length);
    } catch (caught) {
      error = caught;
    }
    expect(error).toMatchObject({ code: "ERR_SPINN_PROTOCOL", message: /2000000000 atoms/, hint: /topology/ });
  });

  test("energies for ever, without coordinates", () => {
    const { producer } = start(imdSessionInfoV2("little"), 2);
    const packet = new Uint8Array(48);
    packet.set(header(1, 1));
    const flood = (): void => {
      for (let i = 0; i <= 10_000; i += 1) producer.feed(packet, 0, packet.length);
    };
    expect(flood).toThrow(/in a row/);
    expect(producer.framesRead).toBe(0);
  });

  test("garbage never does more than throw a SpinnError", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 400 }), fc.constantFrom(v3, imdSessionInfoV2("big")), fc.nat(399), (garbage, session, cut) => {
        const { producer } = start(session, 2, { frames: 2, overflow: "drop-oldest" });
        try {
          const first = Math.min(cut, garbage.length);
          producer.feed(garbage, 0, first);
          producer.feed(garbage, first, garbage.length);
        } catch (error) {
          expect(error).toBeInstanceOf(SpinnError);
        }
      }),
    );
  });

  test.each([
    ["an atom below 0", [-1], [0, 0, 0]],
    ["an atom too high", [4], [0, 0, 0]],
    ["half an atom", [0.5], [0, 0, 0]],
    ["an atom twice", [1, 1], [0, 0, 0, 0, 0, 0]],
    ["too few components", [1], [0, 0]],
    ["a force that is not a number", [1], [0, Number.NaN, 0]],
    ["a force beyond 32 bits", [1], [0, 0, 1e39]],
    ["no atoms", [], []],
    ["more atoms than there are", [0, 1, 2, 3, 0], new Array(15).fill(0)],
  ])("forces are refused: %s", (_, atoms, forces) => {
    expect(() => encodeIMDForces(atoms, forces, 4, "little")).toThrow(SpinnError);
  });
});

test("any frame of any session survives the wire, in both orders", () => {
  const flags = fc.record({
    time: fc.boolean(),
    energies: fc.boolean(),
    box: fc.boolean(),
    velocities: fc.boolean(),
    forces: fc.boolean(),
  });
  fc.assert(
    fc.property(
      flags,
      fc.integer({ min: 1, max: 5 }),
      fc.constantFrom("little", "big" as const),
      fc.infiniteStream(fc.float()),
      (has, n, byteOrder, values) => {
        const session: IMDSessionInfo = { version: 3, byteOrder, wrapped: false, positions: true, ...has };
        const frame = createIMDFrame(session, n);
        const next = (): number => values.next().value as number;
        for (const array of [frame.box, frame.positions, frame.velocities, frame.forces]) array?.set(Array.from(array, next));
        if (has.time) frame.setTime(next(), next(), Math.trunc(Math.min(2 ** 50, Math.max(-(2 ** 50), next() || 0))));
        if (has.energies) {
          const e = { temperature: next(), total: next(), potential: next(), vanDerWaals: next(), coulomb: next() };
          frame.setEnergies({ step: -7, ...e, bonds: next(), angles: next(), dihedrals: next(), impropers: next() });
        } else frame.energiesAge = "fresh";
        const { buffer, producer } = start(session, n);
        const packet = encodeIMDFrame(frame);
        producer.feed(packet, 0, packet.length);
        expect(shown(buffer.tryGet()!)).toEqual(shown(frame));
      },
    ),
    { numRuns: 60 },
  );
});

describe("large frames are read where they stay", () => {
  const nAtoms = 6000;
  const FRAMES = 6;
  const sessions = (["little", "big"] as const).flatMap((byteOrder) => [
    imdSessionInfoV2(byteOrder),
    { ...imdSessionInfoV2(byteOrder), version: 3 as const, time: true },
  ]);

  /** Frame k has k at every coordinate and a step of its own. */
  const stream = (session: IMDSessionInfo): Uint8Array => {
    const frame = createIMDFrame(session, nAtoms);
    const packets = Array.from({ length: FRAMES }, (_, k) => {
      frame.positions!.fill(k);
      if (session.time) frame.setTime(1, k, k);
      const rest = { temperature: 0, total: k, potential: 0, vanDerWaals: 0, coulomb: 0, bonds: 0, angles: 0, dihedrals: 0, impropers: 0 };
      frame.setEnergies({ step: k, ...rest });
      return encodeIMDFrame(frame);
    });
    return Buffer.concat(packets);
  };

  test.each(sessions)("version $version, $byteOrder: as a socket reads them, in any pieces, at any pace of the consumer", (session) => {
    const bytes = stream(session);
    let inPlace = 0;
    fc.assert(
      fc.property(
        fc.infiniteStream(fc.integer({ min: 1, max: 90_000 })),
        fc.infiniteStream(fc.boolean()),
        fc.constantFrom(2, 3),
        (sizes, takes, slots) => {
          const { buffer, producer } = start(session, nAtoms, { frames: slots, overflow: "block" });
          const own = new Uint8Array(40_000);
          let from = 0;
          let rest: { at: number; end: number } | undefined;
          let taken = 0;
          const take = (): boolean => {
            const frame = buffer.tryGet();
            if (frame === undefined) return false;
            expect(frame.step).toBe(taken);
            expect(frame.energies?.total).toBe(taken);
            expect([...new Set(frame.positions)]).toEqual([taken]);
            taken += 1;
            return true;
          };
          while (taken < FRAMES) {
            if (rest !== undefined) {
              rest.at = producer.feed(own, rest.at, rest.end);
              if (rest.at === rest.end) rest = undefined;
            } else if (from < bytes.length) {
              const target = producer.target() ?? own;
              // Between being told where to read and reading, the consumer has its turn.
              if (takes.next().value) take();
              const count = Math.min(sizes.next().value!, target.length, bytes.length - from);
              target.set(bytes.subarray(from, from + count));
              from += count;
              if (target !== own) inPlace += count;
              const stopped = producer.feed(target, 0, count);
              if (stopped < count) rest = { at: stopped, end: count };
            }
            if (rest !== undefined || from === bytes.length || takes.next().value) take();
          }
          expect(producer.bytesRead).toBe(bytes.length);
          expect(producer.midFrame).toBe(false);
        },
      ),
      { numRuns: 15 },
    );
    expect(inPlace).toBeGreaterThan(bytes.length);
  });

  test("small ones are not: many of them come with one reading", () => {
    expect(start({ ...imdSessionInfoV2("little"), version: 3 }, 1000).producer.target()).toBeUndefined();
  });

  test("a header is checked there too", () => {
    const session: IMDSessionInfo = { ...imdSessionInfoV2("little"), version: 3 };
    const { producer } = start(session, nAtoms);
    const target = producer.target()!;
    target.set(encodeIMDHeader(IMDPacketType.KILL, 1));
    expect(() => producer.feed(target, 0, 8)).toThrow(/KILL where the session promised ENERGIES/);
  });
});
