/** What a pipeline has done since it was made. Plain numbers, a snapshot. */
export interface PipelineCounters {
  /** Datagrams sent, repeats included. */
  readonly sent: number;
  /** Datagrams received, whatever they were. */
  readonly received: number;
  /** Requests that ended well / in an error. */
  readonly succeeded: number;
  readonly failed: number;
  /** Repeats of any cause: `timeouts + earlyRepeats + retryCodeResent` that were sent. */
  readonly resent: number;
  /** Deadlines that passed. */
  readonly timeouts: number;
  /** Repeats because three later replies of the same core had overtaken the missing one. */
  readonly earlyRepeats: number;
  /** Repeats because of a return code that allows it. */
  readonly retryCodeResent: number;
  /** Replies to a request that had already been answered. */
  readonly duplicates: number;
  /** Replies to a request that had been given up. */
  readonly late: number;
  /** Replies with a sequence number that was never given out, or text that cores print. */
  readonly unknown: number;
  /** Replies with the right sequence number from the wrong chip or core. */
  readonly foreign: number;
  /** Datagrams too short to be a reply. */
  readonly malformed: number;
  /** Times the peer's host refused the port. */
  readonly refusals: number;
  /** Callbacks that threw and had nobody to tell. */
  readonly callbackErrors: number;
  /** Requests unanswered now. */
  readonly inFlight: number;
  /** Requests that may be unanswered now. */
  readonly window: number;
  /** Smoothed round trip and the wait derived from it, ms; round trip `undefined` before the first sample. */
  readonly roundTripMs: number | undefined;
  readonly waitMs: number;
}

/** The counting part, written by the pipeline alone. */
export class PipelineTally {
  sent = 0;
  received = 0;
  succeeded = 0;
  failed = 0;
  resent = 0;
  timeouts = 0;
  earlyRepeats = 0;
  retryCodeResent = 0;
  duplicates = 0;
  late = 0;
  unknown = 0;
  foreign = 0;
  malformed = 0;
  refusals = 0;
  callbackErrors = 0;
}
