import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { SpinnError } from "../../../src/errors.js";
import { parseConnection, parseEngineConnection } from "../../../src/services/cluster/connection-file.js";
import { MessageCodec } from "../../../src/services/cluster/message.js";
import { bytes, vectors } from "./recorded.js";

const recorded = vectors.sessions.flatMap(({ events }) => events);
const header = { msg_id: "a_1_0", msg_type: "execute_request", username: "me", session: "a", date: "2026-01-02T03:04:05Z", version: "5.3" };

describe("messages", () => {
  it.each(vectors.signing.map((vector) => [vector.scheme, vector.key, vector] as const))(
    "signs as the reference does: %s, key %j",
    (_s, _k, vector) => {
      const whole = bytes(vector.frames);
      const message = new MessageCodec(vector.key, vector.scheme).decode(whole);
      expect(message).toMatchObject({ header: vector.header, metadata: vector.metadata, content: vector.content });
      expect(message.idents.map((ident) => Buffer.from(ident).toString())).toEqual(vector.idents);
      expect(message.buffers.map((buffer) => Buffer.from(buffer).toString("base64"))).toEqual(vector.buffers);
      expect(() => new MessageCodec(`${vector.key}x`, vector.scheme).decode(whole)).toThrow(/signature/);
    },
  );

  it("reads and checks every message of the recorded sessions", () => {
    const codec = new MessageCodec(vectors.key);
    expect(recorded.length).toBeGreaterThan(50);
    for (const { frames } of recorded) {
      const message = codec.decode(bytes(frames));
      expect(message.header["msg_type"]).toEqual(expect.any(String));
    }
  });

  it("refuses a message that comes twice", () => {
    const codec = new MessageCodec("k");
    const frames = codec.encode({ header });
    codec.decode(frames);
    expect(() => codec.decode(frames)).toThrow(/came before/);
  });

  it("goes there and back", () => {
    fc.assert(
      fc.property(
        fc.array(fc.uint8Array({ maxLength: 8 })),
        fc.dictionary(fc.string(), fc.jsonValue()),
        fc.dictionary(fc.string(), fc.jsonValue()),
        fc.array(fc.uint8Array()),
        (idents, metadata, content, buffers) => {
          const codec = new MessageCodec("key");
          const back = codec.decode(codec.encode({ idents, header, metadata, content, buffers }));
          expect(JSON.stringify([back.metadata, back.content])).toEqual(JSON.stringify(JSON.parse(JSON.stringify([metadata, content]))));
          expect([back.idents, back.buffers].flat().map((frame) => [...frame])).toEqual(
            [idents, buffers].flat().map((frame) => [...frame]),
          );
        },
      ),
    );
  });

  it("takes any frames without anything but a SpinnError", () => {
    fc.assert(
      fc.property(fc.constantFrom(...recorded), fc.nat(9), fc.uint8Array({ maxLength: 40 }), fc.boolean(), (event, at, garbage, signed) => {
        const frames = bytes(event.frames);
        frames.splice(at % frames.length, 1, garbage);
        for (const some of [frames, frames.slice(0, at), [garbage]]) {
          try {
            new MessageCodec(signed ? vectors.key : "").decode(some);
          } catch (error) {
            expect(error).toBeInstanceOf(SpinnError);
          }
        }
      }),
    );
  });
});

describe("connection files", () => {
  const file = vectors.connection_files.client;

  it("tell addresses and keys", () => {
    expect(parseConnection(file)).toEqual({
      addresses: {
        registration: "tcp://127.0.0.1:59147",
        mux: "tcp://127.0.0.1:35879",
        task: "tcp://127.0.0.1:43085",
        control: "tcp://127.0.0.1:34653",
        iopub: "tcp://127.0.0.1:41203",
        notification: "tcp://127.0.0.1:39241",
      },
      key: vectors.key,
      signatureScheme: "hmac-sha256",
      curveServerKey: null,
      ssh: "",
      taskScheme: "leastload",
    });
    expect(parseConnection(vectors.connection_files.client_with_curve).curveServerKey).toHaveLength(40);
    expect(parseConnection({ ...file, interface: "tcp://*", location: "lab7" }).addresses.mux).toBe("tcp://lab7:35879");
    expect(parseConnection({ ...file, interface: "ipc:///tmp/x" }).addresses.mux).toBe("ipc:///tmp/x-35879");
  });

  it("tell engines where to go", () => {
    const { addresses, broadcast } = parseEngineConnection(vectors.connection_files.engine);
    expect(addresses.hb_ping).toBe("tcp://127.0.0.1:57171");
    expect(broadcast).toEqual(["tcp://127.0.0.1:33869", "tcp://127.0.0.1:43793"]);
    expect(() => parseEngineConnection(file)).toThrow(
      expect.objectContaining({ hint: expect.stringContaining("ipcontroller-engine.json") }),
    );
  });

  it.each([
    ["a file for engines", vectors.connection_files.engine, /notification/],
    ["pickle", { ...file, pack: "pickle" }, /JSON/],
    ["an old one", { exec_key: "x" }, /0\.12/],
    ["no interface", { ...file, interface: "udp://x" }, /interface/],
    ["a port that is none", { ...file, mux: 70_000 }, /mux must be a port/],
    ["something else", [1], /not a JSON object/],
  ])("name what is wrong: %s", (_, value, words) => {
    expect(() => parseConnection(value)).toThrow(
      expect.objectContaining({ code: "ERR_SPINN_FILE", message: expect.stringMatching(words) }),
    );
  });
});
