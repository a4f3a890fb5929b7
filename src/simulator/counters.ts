/** Why a datagram was not answered. */
export type DropReason =
  | "unpowered"
  | "unbooted"
  | "tooShort"
  | "tooLong"
  | "noTransientTag"
  | "tagNotInUse"
  | "noMessageBuffer"
  | "noSuchTag"
  | "monitorDead"
  | "crashedCore"
  | "nobodyListens"
  | "fault"
  | "sendFailed";

/** What a board or a BMP saw since the machine was started. */
export class Counters {
  /** Datagrams that arrived. */
  received = 0;
  /** Bytes of these. */
  receivedBytes = 0;
  /** Datagrams sent. */
  sent = 0;
  /** Bytes of these. */
  sentBytes = 0;
  readonly dropped: Record<DropReason, number> = {
    unpowered: 0,
    unbooted: 0,
    tooShort: 0,
    tooLong: 0,
    noTransientTag: 0,
    tagNotInUse: 0,
    noMessageBuffer: 0,
    noSuchTag: 0,
    monitorDead: 0,
    crashedCore: 0,
    nobodyListens: 0,
    fault: 0,
    sendFailed: 0,
  };

  /** All drops together. */
  get droppedTotal(): number {
    return Object.values(this.dropped).reduce((sum, count) => sum + count, 0);
  }
}
