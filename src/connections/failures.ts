import { SpinnError } from "../errors.js";
import type { ScpRequest } from "../wire/request.js";
import { ReturnCode, returnCodeInfo } from "../wire/return-code.js";
import type { Slot } from "./slot.js";

interface More {
  readonly hint?: string | undefined;
  readonly returnCode?: number;
  readonly cause?: unknown;
}

const UNKNOWN_OUTCOME =
  "It may or may not have been executed, and doing it twice could do harm: look at the board's state before trying again.";

/** How requests of one connection fail, in words: what was asked, what was tried, what came of it, what to do next. */
export class Failures {
  readonly #remote: string;

  constructor(remote: string) {
    this.#remote = remote;
  }

  /** The pipeline was closed. */
  closed(): SpinnError {
    return this.#error("ERR_SPINN_CLOSED", "the connection was closed", undefined);
  }

  noSequenceNumber(request: ScpRequest<unknown>): SpinnError {
    return this.#error("ERR_SPINN_PROTOCOL", "no sequence number is free", request);
  }

  /** The retries are used up, the last wait with them. */
  silence(slot: Slot, now: number): SpinnError {
    const history = `sent ${slot.sends} times in ${seconds(slot, now)} s: ${tally(slot.reasons)}`;
    return this.#error("ERR_SPINN_TIMEOUT", `no answer from ${this.#remote} (${history})`, slot.request, {
      hint: "Is the board powered and booted, and is this its address? `spinn info` asks it, `spinn boot` boots it.",
    });
  }

  /** A request that must not be repeated got no reply. */
  unknownOutcome(slot: Slot, now: number): SpinnError {
    const message = `no answer from ${this.#remote} within ${seconds(slot, now)} s`;
    return this.#error("ERR_SPINN_OUTCOME_UNKNOWN", message, slot.request, {
      hint: UNKNOWN_OUTCOME,
    });
  }

  /** The board answered with an error. */
  returnCode(slot: Slot, code: number): SpinnError {
    const { name, meaning } = returnCodeInfo(code);
    const history = slot.sends > 1 ? ` (sent ${slot.sends} times: ${tally(slot.reasons)})` : "";
    const hex = `0x${code.toString(16).padStart(2, "0")}`;
    return this.#error("ERR_SPINN_RETURN_CODE", `${this.#remote} answered ${name} ${hex}: ${meaning}${history}`, slot.request, {
      returnCode: code,
      hint:
        code === ReturnCode.ROUTE ? "The machine has no such chip, or it is still booting: `spinn info` shows what is there." : undefined,
    });
  }

  /** The board answered OK with another number of payload bytes than the command promises. */
  length(request: ScpRequest<unknown>, length: number): SpinnError {
    const { minReply, maxReply } = request;
    const due = minReply === maxReply ? `${minReply}` : `${minReply} to ${maxReply}`;
    return this.#error("ERR_SPINN_SHORT_REPLY", `${this.#remote} answered OK with ${length} bytes where ${due} are due`, request, {
      hint:
        length === 0
          ? "SC&MP 4.0.0 hides errors this way: most likely an argument was refused (RC_ARG) or a link is dead."
          : "Is this a SpiNNaker board, and of this firmware? `spinn info` says what answers.",
    });
  }

  /** The port is closed. */
  refused(cause: SpinnError, slot: Slot): SpinnError {
    return this.#error("ERR_SPINN_UNREACHABLE", cause.message, slot.request, { cause, hint: cause.hint });
  }

  /** The way to the board is gone, with the request under way. What it has refused to carry was not executed. */
  lost(cause: SpinnError, slot: Slot): SpinnError {
    if (slot.request!.repeatable || cause.code === "ERR_SPINN_REFUSED")
      return this.#error(cause.code, cause.message, slot.request, { cause, hint: cause.hint });
    return this.#error("ERR_SPINN_OUTCOME_UNKNOWN", cause.message, slot.request, { cause, hint: UNKNOWN_OUTCOME });
  }

  #error(code: SpinnError["code"], message: string, request: ScpRequest<unknown> | undefined, more: More = {}): SpinnError {
    const words = request?.describe();
    const text = words === undefined ? `${message} (${this.#remote})` : `${words}: ${message}`;
    return new SpinnError(code, text, { board: this.#remote, request: words, ...more });
  }
}

function seconds(slot: Slot, now: number): string {
  return ((now - slot.firstSentMs) / 1000).toFixed(1);
}

/** `8 x time-out, 2 x RC_P2P_BUSY` */
function tally(reasons: readonly string[] = []): string {
  const counts = new Map<string, number>();
  for (const reason of reasons) counts.set(reason, (counts.get(reason) ?? 0) + 1);
  return [...counts].map(([reason, count]) => `${count} x ${reason}`).join(", ");
}
