import { SpinnError } from "../errors.js";

/** `192.168.240.1` as the word that travels: first octet lowest. Throws `ERR_SPINN_ARGUMENT` for anything else. */
export function addressWord(address: string): number {
  const match = /^(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})$/.exec(address);
  const octets = match?.slice(1).map(Number) ?? [];
  if (octets.length !== 4 || octets.some((octet) => octet > 255)) {
    throw new SpinnError("ERR_SPINN_ARGUMENT", `${JSON.stringify(address)} is not an IPv4 address`, {
      hint: "SC&MP knows no names: look the host up first and give numbers, as in 192.168.240.1",
    });
  }
  return (octets[0]! | (octets[1]! << 8) | (octets[2]! << 16) | (octets[3]! << 24)) >>> 0;
}

/** The four octets at `offset` in dotted form, `undefined` for 0.0.0.0. */
export function readAddress(view: DataView, offset: number): string | undefined {
  const octets = [0, 1, 2, 3].map((i) => view.getUint8(offset + i));
  return octets.every((octet) => octet === 0) ? undefined : octets.join(".");
}

/** `00:11:22:33:44:55` */
export function readMac(view: DataView, offset: number): string {
  return Array.from({ length: 6 }, (_, i) =>
    view
      .getUint8(offset + i)
      .toString(16)
      .padStart(2, "0"),
  ).join(":");
}
