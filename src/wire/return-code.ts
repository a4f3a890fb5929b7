/** SCP return codes (spinnaker_tools `include/sark.h`), what each means, and whether the same request may be sent again. */
export const ReturnCode = {
  OK: 0x80,
  LEN: 0x81,
  SUM: 0x82,
  CMD: 0x83,
  ARG: 0x84,
  PORT: 0x85,
  TIMEOUT: 0x86,
  ROUTE: 0x87,
  CPU: 0x88,
  DEAD: 0x89,
  BUF: 0x8a,
  P2P_NOREPLY: 0x8b,
  P2P_REJECT: 0x8c,
  P2P_BUSY: 0x8d,
  P2P_TIMEOUT: 0x8e,
  PKT_TX: 0x8f,
} as const;

export type ReturnCode = (typeof ReturnCode)[keyof typeof ReturnCode];

export interface ReturnCodeInfo {
  /** `RC_ROUTE` */
  readonly name: string;
  readonly meaning: string;
  /**
   * `busy`: the request was not executed, send it again.
   * `unsure`: send it again if executing it twice does no harm.
   * `final`: sending it again changes nothing.
   */
  readonly retry: "busy" | "unsure" | "final";
}

const INFO: Record<number, ReturnCodeInfo> = {
  [ReturnCode.OK]: { name: "RC_OK", meaning: "success", retry: "final" },
  [ReturnCode.LEN]: { name: "RC_LEN", meaning: "the request is too short", retry: "final" },
  [ReturnCode.SUM]: { name: "RC_SUM", meaning: "the checksum differs", retry: "final" },
  [ReturnCode.CMD]: { name: "RC_CMD", meaning: "this firmware does not know the command", retry: "final" },
  [ReturnCode.ARG]: { name: "RC_ARG", meaning: "an argument is out of range", retry: "final" },
  [ReturnCode.PORT]: { name: "RC_PORT", meaning: "nobody listens on that SDP port of the monitor", retry: "final" },
  [ReturnCode.TIMEOUT]: { name: "RC_TIMEOUT", meaning: "the core or the link did not take the message in time", retry: "busy" },
  [ReturnCode.ROUTE]: { name: "RC_ROUTE", meaning: "the machine has no route to that chip", retry: "final" },
  [ReturnCode.CPU]: { name: "RC_CPU", meaning: "the chip has no such core", retry: "final" },
  [ReturnCode.DEAD]: { name: "RC_DEAD", meaning: "the core is dead", retry: "final" },
  [ReturnCode.BUF]: { name: "RC_BUF", meaning: "the chip has no free message buffer", retry: "busy" },
  [ReturnCode.P2P_NOREPLY]: { name: "RC_P2P_NOREPLY", meaning: "the chip did not open a channel for the message", retry: "busy" },
  [ReturnCode.P2P_REJECT]: { name: "RC_P2P_REJECT", meaning: "the chip rejected the message", retry: "final" },
  [ReturnCode.P2P_BUSY]: { name: "RC_P2P_BUSY", meaning: "the chip is busy", retry: "busy" },
  [ReturnCode.P2P_TIMEOUT]: { name: "RC_P2P_TIMEOUT", meaning: "the chip did not acknowledge the message", retry: "unsure" },
  [ReturnCode.PKT_TX]: { name: "RC_PKT_TX", meaning: "a packet could not be sent over the link", retry: "busy" },
};

/** What a code means; an unknown one is final. */
export function returnCodeInfo(code: number): ReturnCodeInfo {
  return INFO[code] ?? { name: `0x${code.toString(16)}`, meaning: "a code this software does not know", retry: "final" };
}
