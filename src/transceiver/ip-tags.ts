import {
  clearTag,
  getTagPool,
  getTags,
  newTag,
  type ReverseTag,
  setReverseTag,
  setTag,
  setTagTimeout,
  type TagDestination,
  type TagEntry,
  type TagPool,
} from "../commands/index.js";
import { SpinnError } from "../errors.js";
import type { ChipCoordinates } from "../machine/index.js";
import { formatChip } from "../machine/index.js";
import type { CallOptions } from "./call-options.js";
import type { Session } from "./session.js";

export interface TagOptions extends CallOptions {
  /** Ethernet chip whose tags are meant. Default: the one the transceiver talks to first, which SC&MP calls the root (255,255). */
  readonly ethernet?: ChipCoordinates | undefined;
}

/** Tags of one request: 8 entries of 32 bytes. */
const TAGS_PER_REQUEST = 8;
const TAG_COUNT = 16;

/** Sets tag 0..7: SDP that cores send with this tag goes to a host. Without a host: to this one, on the socket of this connection. */
export async function setIpTag(session: Session, tag: number, destination: TagDestination, options: TagOptions = {}): Promise<void> {
  const chip = ethernetOf(session, options);
  const set = await session.call(setTag(chip, tag, destination), options);
  if (set === tag) return;
  throw new SpinnError("ERR_SPINN_PROTOCOL", `chip ${formatChip(chip)} was asked to set tag ${tag} and says it set ${set}`);
}

/** Takes a free tag of the pool that replies are served from; resolves with its number. Prefer {@link setIpTag} with a number. */
export async function takeIpTag(session: Session, destination: TagDestination, options: TagOptions = {}): Promise<number> {
  return session.call(newTag(ethernetOf(session, options), destination), options);
}

/** Sets tag 0..7 the other way round: what comes in on a UDP port of the board goes to a core as SDP. */
export async function setReverseIpTag(session: Session, tag: number, reverse: ReverseTag, options: TagOptions = {}): Promise<void> {
  await session.call(setReverseTag(ethernetOf(session, options), tag, reverse), options);
}

export async function getIpTag(session: Session, tag: number, options: TagOptions = {}): Promise<TagEntry> {
  const [entry] = await session.call(getTags(ethernetOf(session, options), tag, 1), options);
  return entry!;
}

/** All 16 tags; `inUse` says which are set. Tags 8..15 are lent to replies. */
export async function listIpTags(session: Session, options: TagOptions = {}): Promise<TagEntry[]> {
  const tags: TagEntry[] = [];
  for (let first = 0; first < TAG_COUNT; first += TAGS_PER_REQUEST) {
    tags.push(...(await session.call(getTags(ethernetOf(session, options), first, TAGS_PER_REQUEST), options)));
  }
  return tags;
}

export async function clearIpTag(session: Session, tag: number, options: TagOptions = {}): Promise<void> {
  return session.call(clearTag(ethernetOf(session, options), tag), options);
}

/** Sizes of the table, and how long tags lent to replies live. */
export async function readTagPool(session: Session, options: TagOptions = {}): Promise<TagPool> {
  return session.call(getTagPool(ethernetOf(session, options)), options);
}

/** How long tags lent to replies live: code n is 2^(n-1) ticks of 10 ms; 9 (2.56 s) is usual. Resolves with what held before. */
export async function setTransientTagTimeout(session: Session, code: number, options: TagOptions = {}): Promise<TagPool> {
  return session.call(setTagTimeout(ethernetOf(session, options), code), options);
}

function ethernetOf(session: Session, options: TagOptions): ChipCoordinates {
  const { ethernet } = options;
  if (ethernet === undefined) return session.root;
  if (session.machine === undefined || session.machine.geometry.isEthernet(ethernet.x, ethernet.y)) return ethernet;
  throw new SpinnError("ERR_SPINN_MACHINE", `chip ${formatChip(ethernet)} has no Ethernet, so it has no tags`, {
    hint: `Ethernet chips are ${session.machine.geometry.ethernetChips.map(formatChip).join(" ")}`,
  });
}
