import { SseReader } from "./sse-reader.js";

/** What the page is told of its connection. */
export type LinkState =
  | { readonly state: "connecting" }
  | { readonly state: "live" }
  /** The next try comes in so many seconds. */
  | { readonly state: "lost"; readonly seconds: number; readonly why: string }
  | { readonly state: "locked"; readonly why: string };

export interface FollowerOptions {
  readonly onEvent: (event: string, data: unknown) => void;
  readonly onLink: (link: LinkState) => void;
}

/** Nothing heard for so long: the connection is dead, whatever the system thinks. The server beats every 5 s. */
const SILENCE_MS = 16_000;
const FIRST_WAIT_MS = 500;
const MOST_WAIT_MS = 5000;

/**
 * Follows the server's events and comes back when the connection is lost, for ever. It reads them with `fetch`, not EventSource, so that the
 * token goes in a header and is in no address.
 */
export class Follower {
  readonly #headers: Readonly<Record<string, string>>;
  readonly #options: FollowerOptions;
  #waitMs = FIRST_WAIT_MS;
  #wake: () => void = () => {};

  constructor(token: string, options: FollowerOptions) {
    // Which page this is: what it has paused stays paused over a reload and a lost connection.
    const own = sessionStorage.getItem("page") ?? crypto.getRandomValues(new Uint32Array(4)).join("-");
    sessionStorage.setItem("page", own);
    this.#headers = { authorization: `Bearer ${token}`, "x-spinn-page": own };
    this.#options = options;
    window.addEventListener("online", () => this.#wake());
    document.addEventListener("visibilitychange", () => document.hidden || this.#wake());
  }

  async run(): Promise<void> {
    for (;;) {
      const why = await this.#follow();
      if (why === undefined) return;
      for (let left = Math.ceil(this.#waitMs / 1000); left > 0; left -= 1) {
        this.#options.onLink({ state: "lost", seconds: left, why });
        if (await this.#pause(Math.min(1000, this.#waitMs))) break;
      }
      this.#waitMs = Math.min(MOST_WAIT_MS, 2 * this.#waitMs);
    }
  }

  /** A call; its result, or an Error with the server's words. */
  async call(target: "board" | "runs", method: string, args: unknown): Promise<unknown> {
    const body = JSON.stringify({ target, method, args });
    return this.#ask("/call", { method: "POST", body, headers: { ...this.#headers, "content-type": "application/json" } });
  }

  lookAtChip(name: string, signal: AbortSignal): Promise<unknown> {
    return this.#ask(`/chip/${name}`, { headers: this.#headers, signal });
  }

  async #ask(path: string, init: RequestInit): Promise<unknown> {
    const response = await fetch(path, init);
    const answer = (await response.json()) as { result?: unknown; error?: { message: string; hint: string | null } };
    if (answer.error === undefined) return answer.result;
    throw new Error(answer.error.hint === null ? answer.error.message : `${answer.error.message} (${answer.error.hint})`);
  }

  /** Follows until the connection ends. Returns why, or `undefined` when it is of no use to try again. */
  async #follow(): Promise<string | undefined> {
    this.#options.onLink({ state: "connecting" });
    const silence = new AbortController();
    let timer = setTimeout(() => silence.abort(), SILENCE_MS);
    try {
      const response = await fetch("/events", { headers: this.#headers, signal: silence.signal, cache: "no-store" });
      if (response.status === 401) {
        this.#options.onLink({ state: "locked", why: "The key is wrong: the server may have been started anew with another one." });
        return undefined;
      }
      if (!response.ok || response.body === null) return `the server answers ${response.status}`;
      const reader = new SseReader();
      const chunks = response.body.pipeThrough(new TextDecoderStream()).getReader();
      for (;;) {
        const { done, value } = await chunks.read();
        if (done) return "the server has ended";
        clearTimeout(timer);
        timer = setTimeout(() => silence.abort(), SILENCE_MS);
        for (const { event, data } of reader.push(value)) {
          if (event === "whole") {
            this.#waitMs = FIRST_WAIT_MS;
            this.#options.onLink({ state: "live" });
          }
          this.#options.onEvent(event, JSON.parse(data));
        }
      }
    } catch {
      return silence.signal.aborted ? "the server is silent" : "the server does not answer";
    } finally {
      clearTimeout(timer);
      silence.abort();
    }
  }

  /** True when something says that it is worth trying before the time is up. */
  #pause(ms: number): Promise<boolean> {
    return new Promise((resolve) => {
      const timer = setTimeout(() => resolve(false), ms);
      this.#wake = () => {
        clearTimeout(timer);
        resolve(true);
      };
    });
  }
}
