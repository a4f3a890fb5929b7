import { type ChipSummary, getChipInfo, readMemory as readMemoryRequest } from "../commands/index.js";
import type { SCAMPConnection } from "../connections/index.js";
import { SpinnError } from "../errors.js";
import { type ChipCoordinates, type ChipInfo, chipKey, formatChip, isLink, Machine, MachineGeometry, SV } from "../machine/index.js";
import { type LongCallOptions, ProgressCounter } from "./call-options.js";
import { checkMonitor, probe } from "./connect.js";
import { readP2PTable } from "./p2p-table.js";
import type { Session } from "./session.js";

/** Where to reach an Ethernet chip. */
export interface Place {
  readonly host: string;
  /** UDP port. Default: the port of the first connection. */
  readonly port?: number | undefined;
}

export interface DiscoverOptions extends LongCallOptions {
  /**
   * Where to reach an Ethernet chip, given its position and the IP address it reports; `undefined` to leave it without a connection of its own.
   * For machines behind a proxy or on loopback addresses. Default: its IP address.
   */
  readonly locate?: ((ethernet: ChipCoordinates & { readonly ip: string }) => Place | undefined) | undefined;
  /** How long an Ethernet chip may take to answer on its own address before its board is served through the first connection, ms. Default 1500. */
  readonly probeMs?: number | undefined;
}

export interface Discovery {
  readonly machine: Machine;
  /** What was odd, in words: chips that are in the routing table but do not answer, boards without a connection, and `machine.validate()`. */
  readonly problems: readonly string[];
}

/**
 * Finds out what the machine is: its size, the chips that have a route, and what each says about itself. Opens a connection to every board
 * that can be reached, so that the chips of a board are asked, and later used, through their own Ethernet chip.
 *
 * The root's routing table is the list of chips: since 4.0.0 only the root knows all of them (topology.md).
 */
export async function discover(session: Session, options: DiscoverOptions = {}): Promise<Discovery> {
  const { root } = session;
  const size = await session.call(readMemoryRequest(root, SV.base + SV.field("p2p_dims").offset, 2), options);
  const geometry = sizeOf(session, size[1]!, size[0]!);
  const routed = [...(await readP2PTable(session, root, geometry, options)).chips()];
  // From here on a chip's board is known, and with it the connection that serves it.
  session.geometry = geometry;
  const problems: string[] = [];
  const found = new Map<number, ChipInfo>();
  const progress = new ProgressCounter(options, "discover", routed.length, "chips");
  const ask = async (chip: ChipCoordinates, ownOptions: { signal: AbortSignal }): Promise<void> => {
    const answer = await askChip(session, geometry, chip, ownOptions.signal);
    if (typeof answer === "string") problems.push(answer);
    else found.set(chipKey(chip.x, chip.y), answer);
    progress.add(1);
  };

  const ethernets = routed.filter((chip) => geometry.isEthernet(chip.x, chip.y));
  await session.forEach(ethernets, ask, options);
  const boards = [...found.values()].filter((chip) => chip.ethernet !== undefined);
  await Promise.all(boards.map(async (chip) => problems.push(...(await openBoard(session, chip, options)))));

  const others = routed.filter((chip) => !geometry.isEthernet(chip.x, chip.y));
  await session.forEach(others, ask, options);

  const machine = new Machine(geometry.width, geometry.height, root, inOrder(found));
  session.machine = machine;
  return { machine, problems: [...problems, ...machine.validate()] };
}

function sizeOf(session: Session, width: number, height: number): MachineGeometry {
  try {
    return MachineGeometry.fromSize(width, height);
  } catch (error) {
    throw new SpinnError("ERR_SPINN_MACHINE", `${session.remote} says it is ${width} x ${height} chips, which no machine is`, {
      hint: "the machine may still be booting, or has been booted with links switched off",
      board: session.remote,
      cause: error,
    });
  }
}

/** What a chip says, or why it says nothing. A chip that died after booting must not spoil the rest; anything but its silence is thrown. */
async function askChip(
  session: Session,
  geometry: MachineGeometry,
  chip: ChipCoordinates,
  signal: AbortSignal,
): Promise<ChipInfo | string> {
  try {
    const [info, map] = await Promise.all([
      session.call(getChipInfo(chip), { signal }),
      session.call(readMemoryRequest(chip, SV.base + SV.field("v2p_map").offset, SV.field("v2p_map").sizeBytes), { signal }),
    ]);
    return chipInfo(session, geometry, chip, info, [...map.subarray(0, 18)]);
  } catch (error) {
    const silent =
      error instanceof SpinnError && ["ERR_SPINN_TIMEOUT", "ERR_SPINN_RETURN_CODE", "ERR_SPINN_SHORT_REPLY"].includes(error.code);
    if (!silent || (chip.x === session.root.x && chip.y === session.root.y)) throw error;
    return `chip ${formatChip(chip)} is in the routing table but does not answer: ${error.message}`;
  }
}

function chipInfo(
  session: Session,
  geometry: MachineGeometry,
  chip: ChipCoordinates,
  info: ChipSummary,
  virtualToPhysical: number[],
): ChipInfo {
  const isRoot = chip.x === session.root.x && chip.y === session.root.y;
  const ip = info.ethernetUp ? info.ipAddress : undefined;
  return {
    x: chip.x,
    y: chip.y,
    coreCount: info.coreCount,
    coreStates: info.coreStates,
    links: info.links,
    ethernet: ip === undefined ? undefined : { ip },
    nearestEthernet: info.nearestEthernet ?? ownBoard(geometry, chip),
    parentLink: !isRoot && info.parentLink !== undefined && isLink(info.parentLink) ? info.parentLink : undefined,
    largestSdramBlock: info.largestSdramBlock,
    largestSysramBlock: info.largestSysramBlock,
    freeRouterEntries: info.freeRouterEntries,
    virtualToPhysical,
  };
}

/** For firmware that does not say: the Ethernet chip the geometry gives. */
function ownBoard(geometry: MachineGeometry, chip: ChipCoordinates): ChipCoordinates {
  return geometry.hasChip(chip.x, chip.y) ? geometry.nearestEthernet(chip.x, chip.y) : geometry.ethernetChips[0]!;
}

/** A connection to the board of an Ethernet chip, if it answers there. The words say why not. */
async function openBoard(session: Session, chip: ChipInfo, options: DiscoverOptions): Promise<string[]> {
  if (session.hasConnection(chip)) return [];
  const { ip } = chip.ethernet!;
  const [, ownPort] = /:(\d+)$/.exec(session.remote) ?? [];
  const place = options.locate === undefined ? { host: ip } : options.locate({ x: chip.x, y: chip.y, ip });
  if (place === undefined) return [];
  const port = place.port ?? Number(ownPort);
  if (`${place.host}:${port}` === session.remote) {
    session.adopt(chip, session.entry);
    return [];
  }
  const through = `its board is served through ${session.remote}`;
  let connection: SCAMPConnection | undefined;
  try {
    connection = await session.open(place.host, port, options.signal);
    const version = await probe(connection, options.probeMs ?? 1500, options.signal);
    if (version === undefined) throw new SpinnError("ERR_SPINN_TIMEOUT", `${connection.remote} does not answer`);
    checkMonitor(version, connection.remote);
    if (version.x !== session.root.x || version.y !== session.root.y) {
      throw new SpinnError("ERR_SPINN_WRONG_DEVICE", `${connection.remote} belongs to another machine (root ${formatChip(version)})`);
    }
    if (session.hasConnection(chip)) await connection.close();
    else session.adopt(chip, connection);
    return [];
  } catch (error) {
    await connection?.close();
    if (options.signal?.aborted) throw error;
    return [`Ethernet chip ${formatChip(chip)}: ${(error as Error).message}; ${through}`];
  }
}

function inOrder(chips: ReadonlyMap<number, ChipInfo>): ChipInfo[] {
  return [...chips.keys()].sort((a, b) => a - b).map((key) => chips.get(key)!);
}
