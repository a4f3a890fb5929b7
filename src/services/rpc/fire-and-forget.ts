import { EventEmitter } from "node:events";
import { SpinnError } from "../../errors.js";

type Callable = (...args: unknown[]) => unknown;

/** Methods without results: what FFProxy makes of a target's methods. */
export type Forgotten<M> = { readonly [K in keyof M]: M[K] extends (...args: infer A) => unknown ? (...args: A) => void : never };

/**
 * Calls that return at once: at most one runs in the background; while it does, further calls of any method are dropped with a `warning`
 * event, as are errors of the call itself. Works on a client (its remote methods) and on any object with methods.
 *
 * ```ts
 * const proxy = new FFProxy(client);
 * proxy.rpc.set_led(true);
 * await proxy.ffJoin();
 * ```
 */
export class FFProxy<M extends object> extends EventEmitter<{ warning: [SpinnError] }> {
  readonly rpc: Forgotten<M>;
  /** Calls dropped so far. */
  dropped = 0;
  #running: Promise<void> | undefined;

  constructor(target: { readonly rpc: M } | M) {
    super();
    const methods = ("rpc" in target && typeof target.rpc === "object" && target.rpc !== null ? target.rpc : target) as Record<
      string,
      Callable
    >;
    this.rpc = new Proxy(Object.create(null) as object, {
      get: (_, name) => {
        if (typeof name !== "string" || typeof methods[name] !== "function") return undefined;
        return (...args: unknown[]) => this.#fire(name, () => methods[name]!(...args));
      },
      has: (_, name) => typeof name === "string" && typeof methods[name] === "function",
    }) as Forgotten<M>;
  }

  /** Resolves when the running call, if any, has ended. */
  async ffJoin(): Promise<void> {
    await this.#running;
  }

  #fire(name: string, call: () => unknown): void {
    if (this.#running !== undefined) {
      this.dropped += 1;
      this.emit("warning", new SpinnError("ERR_SPINN_REFUSED", `${name}: a fire-and-forget call is still running, this one was skipped`));
      return;
    }
    // One turn later: firing never runs the method itself, nor throws for it.
    this.#running = Promise.resolve()
      .then(call)
      .then(
        () => {
          this.#running = undefined;
        },
        (cause: unknown) => {
          this.#running = undefined;
          const words = cause instanceof Error ? cause.message : String(cause);
          this.emit("warning", new SpinnError("ERR_SPINN_REMOTE", `${name}: the fire-and-forget call failed: ${words}`, { cause }));
        },
      );
  }
}
