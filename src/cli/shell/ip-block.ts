import type { Words } from "./words.js";

/** Network settings of a board as its memories hold them. */
export interface IpBlock {
  readonly flag: number;
  readonly mac: readonly number[];
  readonly ip: readonly number[];
  readonly gateway: readonly number[];
  readonly mask: readonly number[];
  readonly port: number;
}

/** Six lines, or one with everything on it. */
export function ipText({ flag, mac, ip, gateway, mask, port }: IpBlock, long: boolean): string {
  const macText = mac.map((byte) => byte.toString(16).padStart(2, "0")).join(":");
  const flagText = flag.toString(16).padStart(4, "0");
  const [a, g, n] = [ip, gateway, mask].map((octets) => octets.join("."));
  return long
    ? `Flag: ${flagText}\nMAC:  ${macText}\nIP:   ${a}\nGW:   ${g}\nNM:   ${n}\nPort: ${port}\n`
    : `${flagText} ${macText} ${a} ${g} ${n} ${port}\n`;
}

/** `<Flag.X> <MAC.M> <ip_addr.P> <gw_addr.P> <net_mask.P> <port.D>`. Throws `ERR_SPINN_ARGUMENT`. */
export function parseIpBlock(words: Words): IpBlock {
  const flag = words.hex("flag", 0xffff);
  if (flag < 0x8000) throw words.wrong("flag: bit 15 must be set, or the settings do not count");
  const macText = words.text("MAC");
  if (!/^([0-9a-f]{1,2}:){5}[0-9a-f]{1,2}$/i.test(macText)) throw words.wrong(`MAC: "${macText}" is none`);
  const mac = macText.split(":").map((byte) => Number.parseInt(byte, 16));
  const [ip, gateway, mask] = ["IP address", "gateway", "net mask"].map((what) => parseOctets(words, what)) as [
    number[],
    number[],
    number[],
  ];
  return { flag, mac, ip, gateway, mask, port: words.decimal("port", 1024, 65535) };
}

/** `192.168.240.1`, or `/24` for a mask. Throws `ERR_SPINN_ARGUMENT`. */
export function parseOctets(words: Words, what: string): number[] {
  const text = words.text(what);
  const bits = /^\/(\d+)$/.exec(text);
  if (bits !== null && Number(bits[1]) >= 8 && Number(bits[1]) <= 32) {
    const word = 2 ** 32 - 2 ** (32 - Number(bits[1]));
    return [24, 16, 8, 0].map((shift) => (word >>> shift) & 255);
  }
  const octets = /^\d{1,3}(\.\d{1,3}){3}$/.test(text) ? text.split(".").map(Number) : [256];
  if (octets.some((octet) => octet > 255)) throw words.wrong(`${what}: "${text}" is no IPv4 address`);
  return octets;
}

/** Words of memory with the high byte first, as the chips' boot ROM reads its block. */
export function swapWords(bytes: Uint8Array): Uint8Array {
  return Uint8Array.from(bytes, (_, i) => bytes[i ^ 3]!);
}

/** The settings in the 32 bytes that begin with the flag. */
export function readIpBlock(bytes: Uint8Array): IpBlock {
  const octets = (at: number): number[] => [...bytes.subarray(at, at + 4)];
  return {
    flag: bytes[0]! | (bytes[1]! << 8),
    mac: [...bytes.subarray(2, 8)],
    ip: octets(8),
    gateway: octets(12),
    mask: octets(16),
    port: bytes[20]! | (bytes[21]! << 8),
  };
}

/** The 32 bytes of {@link readIpBlock}; what is unused holds 0. */
export function writeIpBlock({ flag, mac, ip, gateway, mask, port }: IpBlock): Uint8Array {
  const bytes = new Uint8Array(32);
  bytes.set([flag & 255, flag >> 8, ...mac, ...ip, ...gateway, ...mask, port & 255, port >> 8]);
  return bytes;
}

/** The chips' whole boot block: 44 bytes, written high byte first. Source: spinnaker_tools `tools/ybug` (srom_init). */
export function bootBlock(settings: IpBlock): Uint8Array {
  const block = new Uint8Array(44);
  block.set([0x55, 0x3a, 0x00, 0x08, 0xf5, 0x00, 0x7f, 0xe0]);
  block.set(swapWords(writeIpBlock(settings)), 8);
  block.fill(0xaa, 40);
  return block;
}
