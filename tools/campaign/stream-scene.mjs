// Frames of a simulation over TCP into a file: a server that dies, a client that leaves, a disk that is full, an interrupt at any frame.
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { FrameFileReader, FrameFileWriter, IMDClient, IMDServer } from "../../dist/services/stream/index.js";

export function draw(random) {
  const events = [];
  if (random.chance(0.6))
    events.push({ kind: random.pick(["server dies", "client leaves", "abort", "full disk"]), at: random.int(0, 120) });
  return {
    atoms: random.int(1, 200),
    version: random.pick([2, 3]),
    byteOrder: random.pick(["little", "big"]),
    frames: random.int(2, 8),
    overflow: random.pick(["pause", "block"]),
    slow: random.chance(0.3),
    faults: [],
    operations: Array.from({ length: random.int(1, 150) }, (_, step) => ({ step })),
    events,
  };
}

export async function play(schedule, { watch, count }) {
  const { atoms, operations, events } = schedule;
  const failures = [];
  const folder = await mkdtemp(join(tmpdir(), "spinnkit-campaign-"));
  const happens = (kind) => events.find((event) => event.kind === kind)?.at ?? -1;
  const diskIsFull = happens("full disk") >= 0;
  const abort = new AbortController();
  const server = await IMDServer.listen(atoms, { version: schedule.version, byteOrder: schedule.byteOrder, lingerMs: 50 });
  const value = (step, i) => step * 4 + i / 4;
  let client;
  let writer;
  let hurt = false;
  try {
    const serve = async () => {
      const frame = server.createFrame();
      for (const [index, { step }] of operations.entries()) {
        frame.positions?.set(Array.from(frame.positions, (_, i) => value(step, i)));
        if (index === happens("server dies")) {
          hurt = true;
          count("server dies");
          break;
        }
        if (!(await server.sendFrame(frame, { signal: abort.signal }))) break;
      }
      await (hurt ? server.close() : server.disconnect());
    };
    const { signal } = abort;
    const connecting = IMDClient.connect("127.0.0.1", server.port, atoms, {
      frames: schedule.frames,
      overflow: schedule.overflow,
      lingerMs: 50,
      signal,
    });
    const serving = serve().catch((error) => {
      if (!error.code?.startsWith("ERR_SPINN_")) failures.push(`serving ended undocumented: ${error.stack}`);
    });
    const got = [];
    const path = diskIsFull ? "/dev/full" : join(folder, "frames.spk");
    const receive = async () => {
      client = await connecting;
      writer = await FrameFileWriter.forIMD(path, client.getIMDSessionInfo(), atoms, { flushBytes: 4096, overwrite: true });
      for await (const frame of client) {
        const step = got.length;
        if (step === happens("client leaves") || step === happens("abort")) {
          hurt = true;
          count(step === happens("abort") ? "abort" : "client leaves");
          if (step === happens("abort")) abort.abort(new Error("interrupted"));
          else break;
        }
        got.push(Array.from(frame.positions));
        await writer.write(frame);
        if (schedule.slow && step % 20 === 0) await new Promise((resolve) => setTimeout(resolve, 1));
      }
      await writer.close();
    };
    const error = await watch(
      "the stream",
      receive().then(
        () => undefined,
        (reason) => reason,
      ),
    );
    if (error !== undefined) {
      const known = error.code?.startsWith("ERR_SPINN_") || error.message === "interrupted";
      if (!known) failures.push(`the stream ended undocumented: ${error.stack}`);
      else if (diskIsFull && error.code === "ERR_SPINN_FILE") count("full disk");
      else if (!hurt) failures.push(`the stream failed: ${error.code} ${error.message}`);
    } else if (diskIsFull) failures.push("a full disk was reported as done");
    await watch("the client's close", client?.close() ?? Promise.resolve());
    await watch("the server's close", server.close());
    await watch("the serving", serving);
    const wrong = got.findIndex((positions, at) => positions.some((each, i) => each !== value(operations[at].step, i)));
    if (wrong >= 0) failures.push(`frame ${wrong} has wrong bytes, or is another one`);
    if (!hurt && error === undefined && got.length !== operations.length)
      failures.push(`${got.length} of ${operations.length} frames came`);
    count("frames", got.length);
    if (!diskIsFull && writer !== undefined) {
      await writer.close().catch(() => {});
      const reader = await FrameFileReader.open(path);
      let at = 0;
      for await (const frame of reader) {
        if (frame.positions.some((each, i) => each !== got[at]?.[i]))
          failures.push(`frame ${at} of the file is not the one that was written`);
        at += 1;
      }
      await reader.close();
      if (error === undefined && at !== got.length) failures.push(`${at} of ${got.length} frames are in the file`);
    }
  } finally {
    await watch("the client's close", client?.close() ?? Promise.resolve());
    await watch(
      "the file's close",
      (writer?.close() ?? Promise.resolve()).catch(() => {}),
    );
    await watch("the server's close", server.close());
    await rm(folder, { recursive: true, force: true });
  }
  return failures;
}
