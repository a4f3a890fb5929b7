import { SpinnError } from "../../errors.js";

/** Where a datagram came from or went to. */
export interface Endpoint {
  readonly host: string;
  readonly port: number;
}

export interface CapturedDatagram {
  /** Since the first packet of the capture, ms. */
  readonly timeMs: number;
  readonly from: Endpoint;
  readonly to: Endpoint;
  /** A view of the file. */
  readonly data: Uint8Array;
}

/** The UDP datagrams of a capture file, and what else was in it. */
export interface Capture {
  readonly datagrams: readonly CapturedDatagram[];
  readonly skipped: {
    /** Packets that are no UDP over IPv4. */
    readonly other: number;
    /** Packets of which the capture holds only the beginning. */
    readonly cut: number;
    /** Pieces of datagrams. */
    readonly fragments: number;
    /** Packets whose lengths contradict each other. */
    readonly malformed: number;
  };
  /** The file ends in the middle of a packet. */
  readonly isCutOff: boolean;
}

const FILE_HEADER = 24;
const PACKET_HEADER = 16;
/** Longest packet that tcpdump writes. */
const MAX_PACKET = 262_144;
const MICROSECONDS = 0xa1b2c3d4;
const NANOSECONDS = 0xa1b23c4d;
const PCAPNG = 0x0a0d0d0a;
const ETHERTYPE_IPV4 = 0x0800;
const VLAN_TAGS = [0x8100, 0x88a8];
const IP_UDP = 17;
const IP_FIRST = 20;
const UDP_HEADER = 8;

type SkipReason = keyof Capture["skipped"];
/** Finds the IPv4 header in a packet; `undefined`: it has none. */
type LinkLayer = (packet: DataView) => number | undefined;

/** Link types that boards are captured on: https://www.tcpdump.org/linktypes.html. */
const LINK_LAYERS: ReadonlyMap<number, LinkLayer> = new Map<number, LinkLayer>([
  // BSD loopback: the family in the order of the machine that captured; 2 is IPv4.
  [0, (packet) => (packet.byteLength >= 4 && [2, 0x02000000].includes(packet.getUint32(0)) ? 4 : undefined)],
  [1, ethernet],
  [12, raw],
  [14, raw],
  [101, raw],
  // Linux cooked capture, its first form and its second.
  [113, (packet) => (packet.byteLength >= 16 && packet.getUint16(14) === ETHERTYPE_IPV4 ? 16 : undefined)],
  [228, raw],
  [276, (packet) => (packet.byteLength >= 20 && packet.getUint16(0) === ETHERTYPE_IPV4 ? 20 : undefined)],
]);

/**
 * Reads a classic pcap file, as the simulated machine and tcpdump write it: either byte order, micro- or nanoseconds, Ethernet, raw IP, Linux
 * cooked or loopback packets. No length in it is trusted. Throws `ERR_SPINN_FILE` for what is no such file.
 */
export function readCapture(file: Uint8Array): Capture {
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength);
  const { littleEndian, fraction, linkLayer } = readHeader(view);
  const datagrams: CapturedDatagram[] = [];
  const skipped = { other: 0, cut: 0, fragments: 0, malformed: 0 };
  let start: number | undefined;
  let at = FILE_HEADER;
  while (at + PACKET_HEADER <= view.byteLength) {
    const timeMs = view.getUint32(at, littleEndian) * 1000 + view.getUint32(at + 4, littleEndian) / fraction;
    const [captured, whole] = [view.getUint32(at + 8, littleEndian), view.getUint32(at + 12, littleEndian)];
    const begin = at + PACKET_HEADER;
    // From here on nothing tells where the next packet begins.
    if (captured > MAX_PACKET || begin + captured > view.byteLength) break;
    at = begin + captured;
    start ??= timeMs;
    const packet = new DataView(file.buffer, file.byteOffset + begin, captured);
    const found = captured < whole ? "cut" : readPacket(packet, linkLayer);
    if (typeof found === "string") skipped[found] += 1;
    else datagrams.push({ timeMs: Math.max(0, timeMs - start), ...found });
  }
  return { datagrams, skipped, isCutOff: at !== view.byteLength };
}

function readHeader(view: DataView): { littleEndian: boolean; fraction: number; linkLayer: LinkLayer } {
  const noFile = (why: string, hint: string): SpinnError => new SpinnError("ERR_SPINN_FILE", `this is no pcap file: ${why}`, { hint });
  const record = "spinn simulate --record writes one, and tcpdump -w";
  if (view.byteLength < FILE_HEADER) throw noFile(`it has ${view.byteLength} bytes, a header has ${FILE_HEADER}`, record);
  if (view.getUint32(0) === PCAPNG) throw noFile("it is a pcapng file", "convert it: editcap -F pcap in.pcapng out.pcap");
  for (const littleEndian of [true, false]) {
    const magic = view.getUint32(0, littleEndian);
    if (magic !== MICROSECONDS && magic !== NANOSECONDS) continue;
    // The upper bits say whether packets end with a checksum.
    const type = view.getUint32(20, littleEndian) & 0xffff;
    const linkLayer = LINK_LAYERS.get(type);
    if (linkLayer === undefined)
      throw noFile(`packets of link type ${type} cannot be read`, `known types are ${[...LINK_LAYERS.keys()].join(" ")}`);
    return { littleEndian, fraction: magic === MICROSECONDS ? 1000 : 1_000_000, linkLayer };
  }
  throw noFile("its first bytes are others", record);
}

function readPacket(packet: DataView, linkLayer: LinkLayer): Omit<CapturedDatagram, "timeMs"> | SkipReason {
  const ip = linkLayer(packet);
  const left = packet.byteLength - (ip ?? 0);
  if (ip === undefined || left < IP_FIRST || packet.getUint8(ip) >>> 4 !== 4 || packet.getUint8(ip + 9) !== IP_UDP) return "other";
  const header = 4 * (packet.getUint8(ip) & 15);
  const total = packet.getUint16(ip + 2);
  if (header < IP_FIRST || total < header || total > left) return "malformed";
  // More fragments, or an offset.
  if ((packet.getUint16(ip + 6) & 0x3fff) !== 0) return "fragments";
  const udp = ip + header;
  if (total < header + UDP_HEADER) return "malformed";
  const length = packet.getUint16(udp + 4);
  if (length < UDP_HEADER || length > total - header) return "malformed";
  const address = (offset: number): string => [0, 1, 2, 3].map((i) => packet.getUint8(ip + offset + i)).join(".");
  return {
    from: { host: address(12), port: packet.getUint16(udp) },
    to: { host: address(16), port: packet.getUint16(udp + 2) },
    data: new Uint8Array(packet.buffer, packet.byteOffset + udp + UDP_HEADER, length - UDP_HEADER),
  };
}

function ethernet(packet: DataView): number | undefined {
  let at = 12;
  while (at + 2 <= packet.byteLength) {
    const type = packet.getUint16(at);
    if (type === ETHERTYPE_IPV4) return at + 2;
    if (!VLAN_TAGS.includes(type)) return undefined;
    at += 4;
  }
  return undefined;
}

function raw(): number {
  return 0;
}
