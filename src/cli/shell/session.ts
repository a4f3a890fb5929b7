import type { PipelineCounters } from "../../connections/index.js";
import { SpinnError } from "../../errors.js";
import { confirmName, type Question } from "../confirm.js";
import type { Job } from "../job.js";

/** Where a host listens. */
export interface Endpoint {
  readonly host: string;
  readonly port?: number | undefined;
}

/** One packet as a command writes it down, where no method of a transceiver does the same. */
export interface RawRequest {
  readonly command: number;
  readonly arg1?: number;
  readonly arg2?: number;
  readonly arg3?: number;
  readonly data?: Uint8Array;
  /** How long the answer may take, ms. Default: as for any other. */
  readonly slowMs?: number;
}

export interface ShellOptions {
  /** Commands that change a board for good are run without a question. Default `false`. */
  readonly mayRuin?: boolean | undefined;
}

/** Bytes of a reply before its payload. */
const REPLY_HEAD = 14;

/** What the commands of one run share, whatever they talk to. */
export abstract class ShellSession {
  readonly job: Job;
  /** Ends the command under way. */
  signal: AbortSignal;
  debugLevel = 0;
  /** Boards of a list that did not answer, while the others did. */
  failures = 0;
  /** While a prompt is open: asks there. */
  question: Question | undefined;
  protected packetTimeoutMs: number | undefined;
  readonly #mayRuin: boolean;
  #collected = "";

  constructor(job: Job, options: ShellOptions) {
    this.job = job;
    this.signal = job.signal;
    this.#mayRuin = options.mayRuin ?? false;
  }

  /** Host, place, and ` > `. */
  abstract get prompt(): string;

  /** The host that commands go to, as a person names it. */
  abstract get host(): string;

  /** Connections that are open, with what they have counted. */
  abstract get lines(): readonly { readonly remote: string; readonly counters: PipelineCounters }[];

  /** Drops the connection; the next command opens another one. */
  abstract forget(): Promise<void>;

  /** Sends one packet once; resolves with what its answer holds. */
  raw(request: RawRequest): Promise<Uint8Array> {
    return this.send(rawPacket(request));
  }

  protected abstract send(request: RawPacket): Promise<Uint8Array>;

  get calls() {
    return { signal: this.signal, onProgress: this.job.terminal.progress.update };
  }

  /** Seconds that a packet may stay unanswered before it is sent again. */
  get timeoutSeconds(): number {
    return (this.packetTimeoutMs ?? 1000) / 1000;
  }

  async setTimeoutSeconds(seconds: number): Promise<void> {
    this.packetTimeoutMs = Math.max(1, Math.round(seconds * 1000));
    await this.forget();
  }

  /** Asks for the host's name before something is changed that a power-cycle does not bring back. Throws `ERR_SPINN_REFUSED`. */
  async mayRuin(what: string): Promise<void> {
    if (!this.#mayRuin) await confirmName(this.job, what, this.host, "--allow-flash", this.question);
  }

  /** Text of a command. With --json it is kept for the command's object. */
  out(text: string): void {
    if (this.job.isJson) this.#collected += text;
    else this.job.terminal.out(text);
  }

  /** What was kept, and begins anew. */
  takeText(): string {
    const text = this.#collected;
    this.#collected = "";
    return text;
  }

  close(): Promise<void> {
    return this.forget();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}

/** A {@link RawRequest} in full, without its destination. */
export interface RawPacket extends Required<Pick<RawRequest, "command" | "arg1" | "arg2" | "arg3">> {
  readonly data: Uint8Array | undefined;
  readonly slowMs: number | undefined;
  readonly repeatable: false;
  readonly minReply: number;
  readonly maxReply: number;
  decode(datagram: Uint8Array): Uint8Array;
  describe(): string;
}

/** A packet with everything that a transceiver wants to know of it. */
export function rawPacket({ command, arg1 = 0, arg2 = 0, arg3 = 0, data, slowMs }: RawRequest): RawPacket {
  const decode = (datagram: Uint8Array): Uint8Array => datagram.slice(REPLY_HEAD);
  const describe = (): string => `command ${command}`;
  return { command, arg1, arg2, arg3, data, slowMs, repeatable: false, minReply: 0, maxReply: 272, decode, describe };
}

/** Whether an error says that this run was ended from outside. */
export function isAbort(error: unknown): boolean {
  return error instanceof SpinnError && error.code === "ERR_SPINN_ABORTED";
}
