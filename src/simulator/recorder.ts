import { closeSync, openSync, writeSync } from "node:fs";
import { SpinnError } from "../errors.js";
import { octets } from "./tags.js";

const MAGIC = 0xa1b2c3d4;
/** Link type "raw IP": packets begin with the IPv4 header. */
const LINKTYPE_RAW = 101;
const IP_HEADER = 20;
const UDP_HEADER = 8;
/** Written to the file in pieces of about this size. */
const CHUNK = 1 << 16;

/** Writes every datagram into a capture file (classic pcap) that Wireshark and tcpdump open. */
export class Recorder {
  readonly #file: number;
  readonly #chunk = Buffer.alloc(CHUNK + (1 << 17));
  #used = 0;
  #closed = false;
  /** While `true` datagrams pass unrecorded. */
  paused = false;

  /** Begins the file anew. Throws `ERR_SPINN_FILE` when it cannot be written. */
  constructor(path: string) {
    try {
      this.#file = openSync(path, "w");
    } catch (error) {
      throw new SpinnError("ERR_SPINN_FILE", `cannot write the recording ${path}: ${(error as Error).message}`, { cause: error });
    }
    const header = Buffer.alloc(24);
    header.writeUInt32LE(MAGIC, 0);
    header.writeUInt16LE(2, 4);
    header.writeUInt16LE(4, 6);
    header.writeUInt32LE(0x40000, 16);
    header.writeUInt32LE(LINKTYPE_RAW, 20);
    this.#used = header.copy(this.#chunk);
  }

  write(data: Uint8Array, fromAddress: string, fromPort: number, toAddress: string, toPort: number): void {
    if (this.#closed || this.paused) return;
    const length = Math.min(IP_HEADER + UDP_HEADER + data.length, 0xffff);
    const out = this.#chunk;
    const at = this.#used;
    const now = performance.timeOrigin + performance.now();
    out.writeUInt32LE(Math.floor(now / 1000), at);
    out.writeUInt32LE(Math.floor((now % 1000) * 1000), at + 4);
    out.writeUInt32LE(length, at + 8);
    out.writeUInt32LE(length, at + 12);
    const ip = at + 16;
    out.fill(0, ip, ip + IP_HEADER);
    out[ip] = 0x45;
    out.writeUInt16BE(length, ip + 2);
    out[ip + 8] = 64;
    out[ip + 9] = 17;
    out.set(octets(fromAddress), ip + 12);
    out.set(octets(toAddress), ip + 16);
    out.writeUInt16BE(checksum(out, ip, IP_HEADER), ip + 10);
    const udp = ip + IP_HEADER;
    out.writeUInt16BE(fromPort, udp);
    out.writeUInt16BE(toPort, udp + 2);
    out.writeUInt16BE(length - IP_HEADER, udp + 4);
    out.writeUInt16BE(0, udp + 6);
    out.set(data.subarray(0, length - IP_HEADER - UDP_HEADER), udp + UDP_HEADER);
    this.#used = ip + length;
    if (this.#used > CHUNK) this.#flush();
  }

  close(): void {
    if (this.#closed) return;
    this.#flush();
    this.#closed = true;
    closeSync(this.#file);
  }

  #flush(): void {
    writeSync(this.#file, this.#chunk, 0, this.#used);
    this.#used = 0;
  }
}

function checksum(bytes: Buffer, at: number, length: number): number {
  let sum = 0;
  for (let i = 0; i < length; i += 2) sum += bytes.readUInt16BE(at + i);
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  return ~sum & 0xffff;
}
