import { ExitStatus } from "./status.js";

/** Why a run was ended from outside. */
export type Interrupt = "SIGINT" | "SIGTERM";

/**
 * Listens for Ctrl-C and SIGTERM. The first one aborts: what runs cleans up and ends. The second one ends the process at once.
 */
export class InterruptListener {
  readonly #controller = new AbortController();
  readonly #handlers = new Map<Interrupt, () => void>();
  #received: Interrupt | undefined;

  constructor() {
    for (const name of ["SIGINT", "SIGTERM"] as const) {
      const handler = (): void => this.#on(name);
      this.#handlers.set(name, handler);
      process.on(name, handler);
    }
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  get received(): Interrupt | undefined {
    return this.#received;
  }

  /** Status of a run that was interrupted: 128 and the signal's number. */
  get status(): number {
    return this.#received === "SIGTERM" ? 143 : ExitStatus.INTERRUPTED;
  }

  close(): void {
    for (const [name, handler] of this.#handlers) process.off(name, handler);
  }

  #on(name: Interrupt): void {
    if (this.#received !== undefined) process.exit(this.status);
    this.#received = name;
    this.#controller.abort(name);
  }
}
