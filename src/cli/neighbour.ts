import { readFile } from "node:fs/promises";

/** What this computer's table of neighbours says of an address: `present`, `absent` (asked for, nobody is it), or nothing. */
export type Neighbour = "present" | "absent" | undefined;

/** Asked right after something was sent there. Linux keeps it in a file; elsewhere, and behind a router, nothing is known. */
export async function neighbourState(address: string): Promise<Neighbour> {
  return parseNeighbours(await readFile("/proc/net/arp", "utf8").catch(() => ""), address);
}

/** `IP address, HW type, Flags, HW address ...`: bit 1 of the flags says that the address has answered. */
export function parseNeighbours(table: string, address: string): Neighbour {
  for (const line of table.split("\n").slice(1)) {
    const [ip, , flags = ""] = line.trim().split(/\s+/);
    if (ip === address) return Number(flags) & 2 ? "present" : "absent";
  }
  return undefined;
}
