import { randomUUID } from "node:crypto";
import { abortError, SpinnError, throwIfAborted } from "../../errors.js";
import type { ClusterConnection, ClusterPort } from "./connection-file.js";
import { type ClusterMessage, type Frame, type Json, MessageCodec } from "./message.js";
import { errorIn } from "./remote-error.js";
import type { ClusterSocket, OpenSocket } from "./socket.js";

export interface LinkOptions {
  readonly openSocket: OpenSocket;
  readonly username: string;
  /** For every question that is not a task. */
  readonly timeoutMs: number;
  /** How long the controller may be away before everything that waits is told so. */
  readonly awayMs: number;
  readonly trace: ((direction: "in" | "out", port: ClusterPort, message: ClusterMessage) => void) | undefined;
  /** Every message that answers no question. */
  readonly message: (port: ClusterPort, message: ClusterMessage) => void;
  /** Once, when the link is over. */
  readonly end: (error: SpinnError) => void;
}

/** Something to send. */
export interface Outgoing {
  readonly type: string;
  readonly content?: Json | undefined;
  readonly metadata?: Json | undefined;
  readonly buffers?: readonly Uint8Array[] | undefined;
  /** The engine that the relay shall hand it to; none for the Hub and the scheduler. */
  readonly engineUuid?: string | undefined;
}

export interface AskOptions {
  readonly timeoutMs?: number | undefined;
  readonly signal?: AbortSignal | undefined;
}

interface Question {
  readonly settle: (answer: ClusterMessage | SpinnError) => void;
  readonly engineUuid: string | undefined;
}

/** In the hint of everything that was never answered: a controller says nothing to what it does not take. */
export const SILENCE =
  "a controller says nothing to a message it does not take: wrong key, an engine that is gone or has not started, a controller that stopped";

/** The sockets of one client: messages out, messages in, questions with a deadline. */
export class Link {
  readonly session: string = randomUUID();
  readonly #options: LinkOptions;
  readonly #codec: MessageCodec;
  readonly #sockets = new Map<ClusterPort, ClusterSocket>();
  /** Until answered, timed out or closed. */
  readonly #questions = new Map<string, Question>();
  #count = 0;
  #over: SpinnError | undefined;
  #away: NodeJS.Timeout | undefined;
  #wasUp = false;

  constructor(connection: ClusterConnection, options: LinkOptions) {
    this.#options = options;
    this.#codec = new MessageCodec(connection.key, connection.signatureScheme);
    // Notifications first: an engine that joins between the two would be missed.
    for (const port of ["notification", "registration", "mux", "task", "control", "iopub"] as const) {
      const kind = port === "iopub" || port === "notification" ? "subscriber" : "dealer";
      const socket = options.openSocket({
        kind,
        addresses: [connection.addresses[port]],
        message: (frames) => this.#receive(port, frames),
        error: (cause) =>
          this.close(new SpinnError("ERR_SPINN_INCOMPLETE", `the ${port} channel of the cluster broke: ${cause.message}`, { cause })),
        connected: port === "registration" ? (isUp) => this.#noticeConnection(isUp, connection.addresses.registration) : undefined,
      });
      this.#sockets.set(port, socket);
    }
  }

  /** Messages that could not be read: wrong signature, no JSON. */
  get dropped(): number {
    return this.#codec.dropped;
  }

  /** Whether the Hub's socket was ever connected; of ZeroMQ sockets only. */
  get wasUp(): boolean {
    return this.#wasUp;
  }

  /** Sends, and gives the number that the answer will name. Throws what the link ended with. */
  send(port: ClusterPort, { type, content = {}, metadata = {}, buffers = [], engineUuid }: Outgoing): string {
    if (this.#over !== undefined) throw this.#over;
    const msg_id = `${this.session}_${process.pid}_${this.#count}`;
    this.#count += 1;
    const date = new Date().toISOString();
    const header = { msg_id, msg_type: type, username: this.#options.username, session: this.session, date, version: "5.3" };
    const idents = engineUuid === undefined ? [] : [Buffer.from(engineUuid, "utf8")];
    const message = { idents, header, parentHeader: {}, metadata, content, buffers };
    this.#options.trace?.("out", port, message);
    this.#sockets.get(port)!.send(this.#codec.encode(message));
    return msg_id;
  }

  /** Sends and waits for the answer. Rejects with `ERR_SPINN_REMOTE` (it says no), `ERR_SPINN_TIMEOUT`, `ERR_SPINN_ABORTED` and what ended the link. */
  ask(port: "registration" | "control", message: Outgoing, options: AskOptions = {}): Promise<ClusterMessage> {
    const { timeoutMs = this.#options.timeoutMs, signal } = options;
    return new Promise((resolve, reject) => {
      throwIfAborted(signal);
      const msgId = this.send(port, message);
      const settle = (answer: ClusterMessage | SpinnError): void => {
        this.#questions.delete(msgId);
        clearTimeout(timer);
        signal?.removeEventListener("abort", onAbort);
        if (answer instanceof SpinnError) reject(answer);
        else if (answer.content["status"] === "error") reject(errorIn(answer.content, "the cluster"));
        else resolve(answer);
      };
      const onAbort = (): void => settle(abortError(signal!));
      const late = (): void => settle(this.#noAnswer(message.type, timeoutMs));
      const timer = setTimeout(late, timeoutMs);
      signal?.addEventListener("abort", onAbort, { once: true });
      this.#questions.set(msgId, { engineUuid: message.engineUuid, settle });
    });
  }

  /** Nobody else tells: what was sent to an engine is never answered once that is gone. */
  engineGone(uuid: string, error: SpinnError): void {
    for (const question of [...this.#questions.values()]) if (question.engineUuid === uuid) question.settle(error);
  }

  /** Ends every question with `error`. Idempotent. */
  close(error: SpinnError): void {
    if (this.#over !== undefined) return;
    this.#over = error;
    clearTimeout(this.#away);
    for (const socket of this.#sockets.values()) socket.close();
    for (const question of [...this.#questions.values()]) question.settle(error);
    this.#options.end(error);
  }

  #receive(port: ClusterPort, frames: readonly Frame[]): void {
    const message = this.#codec.receive(frames);
    if (message === undefined) return;
    this.#options.trace?.("in", port, message);
    // By the request alone: the scheduler answers an execute_request with an apply_reply, and a nanny with "_request".
    const parent = message.parentHeader["msg_id"];
    const question =
      typeof parent === "string" && (port === "registration" || port === "control") ? this.#questions.get(parent) : undefined;
    if (question === undefined) this.#options.message(port, message);
    else question.settle(message);
  }

  #noAnswer(type: string, timeoutMs: number): SpinnError {
    const refused = this.dropped > 0 ? `; ${this.dropped} messages came that another key had signed, or none` : "";
    return new SpinnError("ERR_SPINN_TIMEOUT", `no reply to ${type} within ${timeoutMs} ms${refused}`, { hint: SILENCE });
  }

  /** ZeroMQ connects again by itself, for ever: a controller that is gone would be waited for as long. */
  #noticeConnection(isUp: boolean, address: string): void {
    clearTimeout(this.#away);
    this.#away = undefined;
    if (isUp) this.#wasUp = true;
    else if (this.#wasUp && this.#over === undefined) {
      const { awayMs } = this.#options;
      const gone = new SpinnError("ERR_SPINN_INCOMPLETE", `the controller at ${address} went away ${awayMs} ms ago and has not come back`, {
        hint: "did it stop? a controller that is started again has new ports and a new key, unless it was started with --reuse: connect anew",
      });
      this.#away = setTimeout(() => this.close(gone), awayMs);
    }
  }
}
