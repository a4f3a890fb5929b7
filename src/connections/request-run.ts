import { setMaxListeners } from "node:events";
import { abortError, type SpinnError } from "../errors.js";
import type { ScpRequest } from "../wire/request.js";

/**
 * A stream of requests that ends as one: pulled lazily as the window has room, over at the first failure. The pipeline takes turns among
 * its runs, one request each, so that a long transfer does not hold up a short one.
 */
export interface RequestRun {
  /** The next request, or `undefined` when there are no more. May throw: that ends the run. */
  next(): ScpRequest<unknown> | undefined;
  /** No more to pull: spares the pipeline one more look. */
  readonly exhausted: boolean;
  /** A request got into the window. */
  entered?(): void;
  /** A request ended well with `value`, what its `decode` returned. */
  succeeded(request: ScpRequest<unknown>, value: unknown): void;
  /** A request failed. */
  failed(request: ScpRequest<unknown>, error: SpinnError): void;
  /** Over: nothing is pulled any more, results of requests still in flight are dropped. */
  over: boolean;
  /** The iterator itself threw, or the pipeline was closed, before a request was made. */
  broken(error: unknown): void;
  /** Set by the pipeline: called when the run ends while requests of it may be in flight. */
  onAbandoned: (() => void) | undefined;
}

/** Many requests, one promise. */
export class BulkRun implements RequestRun {
  readonly #requests: Iterator<ScpRequest<unknown>>;
  readonly #resolve: () => void;
  readonly #reject: (error: unknown) => void;
  readonly #signal: AbortSignal | undefined;
  #unanswered = 0;
  exhausted = false;
  over = false;
  onAbandoned: (() => void) | undefined;

  constructor(
    requests: Iterable<ScpRequest<unknown>>,
    signal: AbortSignal | undefined,
    resolve: () => void,
    reject: (error: unknown) => void,
  ) {
    this.#requests = requests[Symbol.iterator]();
    this.#signal = signal;
    this.#resolve = resolve;
    this.#reject = reject;
    listen(signal, this.#onAbort);
  }

  next(): ScpRequest<unknown> | undefined {
    const { done, value } = this.#requests.next();
    if (!done) {
      this.#unanswered += 1;
      return value;
    }
    this.exhausted = true;
    if (this.#unanswered === 0) this.#end(() => this.#resolve());
    return undefined;
  }

  succeeded(): void {
    this.#unanswered -= 1;
    if (this.exhausted && this.#unanswered === 0) this.#end(() => this.#resolve());
  }

  failed(_request: ScpRequest<unknown>, error: SpinnError): void {
    this.#end(() => this.#reject(error));
  }

  broken(error: unknown): void {
    this.#end(() => this.#reject(error));
  }

  readonly #onAbort = (): void => this.#end(() => this.#reject(abortError(this.#signal!)));

  #end(settle: () => void): void {
    if (this.over) return;
    this.over = true;
    this.#signal?.removeEventListener("abort", this.#onAbort);
    if (!this.exhausted) this.#requests.return?.();
    settle();
    if (this.#unanswered > 0) this.onAbandoned?.();
  }
}

/** One request, callbacks. */
export class SingleRun<T> implements RequestRun {
  #request: ScpRequest<T> | undefined;
  readonly #onSuccess: (value: T) => void;
  readonly #onFailure: (error: unknown) => void;
  readonly #onEntered: (() => void) | undefined;
  readonly #signal: AbortSignal | undefined;
  over = false;
  onAbandoned: (() => void) | undefined;

  get exhausted(): boolean {
    return this.#request === undefined;
  }

  constructor(
    request: ScpRequest<T>,
    signal: AbortSignal | undefined,
    onSuccess: (value: T) => void,
    onFailure: (error: unknown) => void,
    onEntered?: () => void,
  ) {
    this.#request = request;
    this.#signal = signal;
    this.#onSuccess = onSuccess;
    this.#onFailure = onFailure;
    this.#onEntered = onEntered;
    listen(signal, this.#onAbort);
  }

  next(): ScpRequest<unknown> | undefined {
    const request = this.#request;
    this.#request = undefined;
    return request;
  }

  entered(): void {
    this.#onEntered?.();
  }

  succeeded(_request: ScpRequest<unknown>, value: unknown): void {
    this.#end(() => this.#onSuccess(value as T));
  }

  failed(_request: ScpRequest<unknown>, error: SpinnError): void {
    this.#end(() => this.#onFailure(error));
  }

  broken(error: unknown): void {
    this.#end(() => this.#onFailure(error));
  }

  readonly #onAbort = (): void => {
    this.#end(() => this.#onFailure(abortError(this.#signal!)));
    this.onAbandoned?.();
  };

  #end(settle: () => void): void {
    if (this.over) return;
    this.over = true;
    this.#signal?.removeEventListener("abort", this.#onAbort);
    settle();
  }
}

/** Any number of requests may share one signal: without the first line, node warns of a leak from the eleventh on. */
function listen(signal: AbortSignal | undefined, onAbort: () => void): void {
  if (signal === undefined) return;
  setMaxListeners(0, signal);
  signal.addEventListener("abort", onAbort, { once: true });
}
