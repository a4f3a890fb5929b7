// What node:dgram alone can do, for comparison: a window, a table of who waits, no retries, no checks. Same packets as the pipeline sends.
import { createSocket } from "node:dgram";

const BASE = 0x60000000;
const BLOCK = 256;

/** Moves `bytes` bytes (op "read" or "write") with `window` packets in flight over a connected socket; resolves with `{ seconds, cpuSeconds }`. */
export function bareTransfer({ host, port, window, bytes, op }) {
  const writing = op === "write";
  const blocks = Math.ceil(bytes / BLOCK);
  const data = Buffer.alloc(bytes);
  const waiting = new Int32Array(65536).fill(-1);
  const socket = createSocket({ type: "udp4", recvBufferSize: 1 << 20 });
  let sequence = 0;
  let next = 0;
  let done = 0;
  let inFlight = 0;

  const packet = (block) => {
    const offset = block * BLOCK;
    const length = Math.min(BLOCK, bytes - offset);
    const bytesOut = Buffer.alloc(26 + (writing ? length : 0));
    bytesOut[2] = 0x87;
    bytesOut[3] = 0xff;
    bytesOut[5] = 0xff;
    bytesOut.writeUInt16LE(writing ? 3 : 2, 10);
    bytesOut.writeUInt16LE(sequence, 12);
    bytesOut.writeUInt32LE(BASE + offset, 14);
    bytesOut.writeUInt32LE(length, 18);
    bytesOut.writeUInt32LE(2, 22);
    if (writing) data.copy(bytesOut, 26, offset, offset + length);
    return bytesOut;
  };
  const fill = () => {
    while (inFlight < window && next < blocks) {
      waiting[sequence] = next;
      socket.send(packet(next));
      sequence = (sequence + 1) & 0xffff;
      next += 1;
      inFlight += 1;
    }
  };

  return new Promise((resolve, reject) => {
    let cpu;
    let started;
    const watch = setInterval(() => {
      if (performance.now() - started > 120_000) finish(reject, new Error("bare dgram: a packet was lost, and it repeats nothing"));
    }, 1000);
    const finish = (settle, value) => {
      clearInterval(watch);
      socket.close();
      settle(value);
    };
    socket.on("error", (error) => finish(reject, error));
    socket.on("message", (datagram) => {
      const block = waiting[datagram.readUInt16LE(12)];
      if (block < 0) return;
      waiting[datagram.readUInt16LE(12)] = -1;
      if (!writing) datagram.copy(data, block * BLOCK, 14);
      inFlight -= 1;
      done += 1;
      if (done < blocks) return fill();
      const { user, system } = process.cpuUsage(cpu);
      finish(resolve, { seconds: (performance.now() - started) / 1000, cpuSeconds: (user + system) / 1e6 });
    });
    socket.connect(port, host, () => {
      cpu = process.cpuUsage();
      started = performance.now();
      fill();
    });
  });
}
