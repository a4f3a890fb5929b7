/**
 * One SCP request as a value: what goes out, what must come back, and whether it may be sent twice. Commands make them, pipelines
 * carry them, neither knows the other.
 */
export interface ScpRequest<T = void> {
  /** Command number, see `Command`. */
  readonly command: number;
  /** Destination chip; 255,255 is the root chip. */
  readonly x: number;
  readonly y: number;
  /** Destination virtual core (0..17; 0 is the monitor), or board 0..23 for a BMP. */
  readonly p: number;
  readonly arg1: number;
  readonly arg2: number;
  readonly arg3: number;
  /** At most 256 bytes. The pipeline reads it again when it repeats the request: leave it alone until the request has ended. */
  readonly data?: Uint8Array | undefined;
  /**
   * `true`: executing it twice does no harm, so silence is answered by sending it again.
   * `false`: silence ends it with `ERR_SPINN_OUTCOME_UNKNOWN`. SC&MP remembers no sequence numbers and would execute a repeat again.
   */
  readonly repeatable: boolean;
  /** `false` for a request that gets no answer: it ends when it is sent. Default `true`. */
  readonly expectsReply?: boolean;
  /** Waits at least so long for a reply before it is late (APP_COPY_RUN 6 s, power 10 s). Unit ms. Default: the measured round trip decides. */
  readonly slowMs?: number | undefined;
  /** Codes other than RC_OK that are an answer, not an error, once retries are used up (COUNT accepts RC_P2P_NOREPLY). */
  readonly acceptedCodes?: readonly number[] | undefined;
  /**
   * Payload bytes promised, at least and at most. SC&MP 4.0.0 answers errors of core 0 as RC_OK without data, so the pipeline holds every
   * reply against this and fails the request with `ERR_SPINN_SHORT_REPLY`.
   */
  readonly minReply: number;
  readonly maxReply: number;
  /**
   * Turns the reply into the result. `datagram` is the whole reply, its payload begins at offset 14; the bytes belong to the callee.
   * May throw a `SpinnError`, which then ends this request alone.
   */
  decode(datagram: Uint8Array, returnCode: number): T;
  /** The request in words, for errors: `READ 256 bytes at 0x60240000 on chip 1,2`. Called only when needed. */
  describe(): string;
}
