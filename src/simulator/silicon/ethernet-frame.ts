/** Ethernet II frames with ARP and UDP over IPv4 in them, as far as a board and its host exchange them (RFC 826, 791, 768). */

const ETHERTYPE_IP = 0x0800;
const ETHERTYPE_ARP = 0x0806;
const PROTOCOL_UDP = 17;
const ETHERNET_HEADER = 14;
const IP_HEADER = 20;
const UDP_HEADER = 8;
const ARP_SIZE = 28;

/** One side of a UDP conversation on the wire. */
export interface Endpoint {
  /** Six octets. */
  readonly mac: Uint8Array;
  /** Four octets. */
  readonly ip: readonly number[];
  readonly port: number;
}

/** What a board has sent. */
export type SentFrame =
  | { readonly kind: "udp"; readonly ip: string; readonly port: number; readonly fromPort: number; readonly data: Uint8Array }
  | { readonly kind: "arpRequest"; readonly ip: readonly number[]; readonly senderMac: Uint8Array; readonly senderIp: readonly number[] };

/** The hardware address a host has on the board's network: a locally administered one made of its IPv4 address. */
export function hostMac(ip: readonly number[]): Uint8Array {
  return Uint8Array.of(2, 0, ...ip);
}

/** A UDP datagram in a frame. The UDP checksum is left out (0), as RFC 768 allows. */
export function udpFrame(from: Endpoint, to: Endpoint, data: Uint8Array): Uint8Array {
  const frame = new Uint8Array(ETHERNET_HEADER + IP_HEADER + UDP_HEADER + data.length);
  const view = new DataView(frame.buffer);
  frame.set(to.mac, 0);
  frame.set(from.mac, 6);
  view.setUint16(12, ETHERTYPE_IP);
  const ip = ETHERNET_HEADER;
  view.setUint8(ip, 0x45);
  view.setUint16(ip + 2, IP_HEADER + UDP_HEADER + data.length);
  view.setUint16(ip + 6, 0x4000);
  view.setUint8(ip + 8, 64);
  view.setUint8(ip + 9, PROTOCOL_UDP);
  frame.set(from.ip, ip + 12);
  frame.set(to.ip, ip + 16);
  view.setUint16(ip + 10, headerChecksum(view, ip));
  const udp = ip + IP_HEADER;
  view.setUint16(udp, from.port);
  view.setUint16(udp + 2, to.port);
  view.setUint16(udp + 4, UDP_HEADER + data.length);
  frame.set(data, udp + UDP_HEADER);
  return frame;
}

/** The answer to an ARP request of `to` for `from`. */
export function arpReply(from: Omit<Endpoint, "port">, to: Omit<Endpoint, "port">): Uint8Array {
  const frame = new Uint8Array(60);
  const view = new DataView(frame.buffer);
  frame.set(to.mac, 0);
  frame.set(from.mac, 6);
  view.setUint16(12, ETHERTYPE_ARP);
  view.setUint16(14, 1);
  view.setUint16(16, ETHERTYPE_IP);
  view.setUint8(18, 6);
  view.setUint8(19, 4);
  view.setUint16(20, 2);
  frame.set(from.mac, 22);
  frame.set(from.ip, 28);
  frame.set(to.mac, 32);
  frame.set(to.ip, 38);
  return frame;
}

/** What a frame of the board says; `undefined` for what the host's side has no use for (ARP replies, ICMP) and for what is cut short. */
export function readFrame(frame: Uint8Array): SentFrame | undefined {
  if (frame.length < ETHERNET_HEADER + ARP_SIZE) return undefined;
  const view = new DataView(frame.buffer, frame.byteOffset, frame.length);
  const type = view.getUint16(12);
  if (type === ETHERTYPE_ARP) {
    if (view.getUint16(20) !== 1) return undefined;
    return { kind: "arpRequest", ip: [...frame.subarray(38, 42)], senderMac: frame.slice(22, 28), senderIp: [...frame.subarray(28, 32)] };
  }
  if (type !== ETHERTYPE_IP || view.getUint8(23) !== PROTOCOL_UDP) return undefined;
  const udp = ETHERNET_HEADER + 4 * (view.getUint8(14) & 15);
  if (udp + UDP_HEADER > frame.length) return undefined;
  const end = udp + view.getUint16(udp + 4);
  if (end > frame.length || end < udp + UDP_HEADER) return undefined;
  const ip = [...frame.subarray(30, 34)].join(".");
  return { kind: "udp", ip, port: view.getUint16(udp + 2), fromPort: view.getUint16(udp), data: frame.slice(udp + UDP_HEADER, end) };
}

function headerChecksum(view: DataView, at: number): number {
  let sum = 0;
  for (let i = 0; i < IP_HEADER; i += 2) sum += view.getUint16(at + i);
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  return ~sum & 0xffff;
}
