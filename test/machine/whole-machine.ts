import { type ChipInfo, LINKS, Machine, type MachineGeometry } from "../../src/machine/index.js";

/** A machine in which everything works but the links (`x,y,link`, that end only) and chips (`x,y`) named. Virtual core p is physical core 17 - p. */
export function machineOf(geometry: MachineGeometry, broken: readonly string[] = [], dead: readonly string[] = []): Machine {
  const works = ({ x, y }: { x: number; y: number }, link: (typeof LINKS)[number]): boolean =>
    geometry.isWired(x, y, link) && !broken.includes(`${x},${y},${link}`);
  const chips: ChipInfo[] = [...geometry.chips()]
    .filter((chip) => !dead.includes(`${chip.x},${chip.y}`))
    .map((chip) => ({
      ...chip,
      coreCount: 17,
      coreStates: [7, ...Array(17).fill(15)],
      links: LINKS.reduce<number>((bits, link) => bits | (works(chip, link) ? 1 << link : 0), 0),
      ethernet: geometry.isEthernet(chip.x, chip.y) ? { ip: "127.0.0.2" } : undefined,
      nearestEthernet: geometry.nearestEthernet(chip.x, chip.y),
      parentLink: undefined,
      largestSdramBlock: 0,
      largestSysramBlock: 0,
      freeRouterEntries: 1023,
      virtualToPhysical: Array.from({ length: 18 }, (_, p) => (p === 17 ? 0xff : 17 - p)),
    }));
  return new Machine(geometry.width, geometry.height, { x: 0, y: 0 }, chips);
}
