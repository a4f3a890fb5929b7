import type { Progress } from "../transceiver/index.js";
import type { Access } from "./access.js";
import type { BoardLink } from "./board-link.js";
import type { Arguments, Parameters } from "./parameter.js";

/** What a method has besides its arguments. */
export interface MethodContext {
  /** Fires when nobody wants the result any more. */
  readonly signal: AbortSignal;
  readonly onProgress: (progress: Progress) => void;
  /** What is being done now, in words; shown with the run. */
  readonly onStep: (words: string) => void;
  /** A point between two steps: waits while the run is paused. */
  readonly safePoint: () => Promise<void>;
  /** Folder of bring-up scripts, if the controller has one. */
  readonly scriptFolder: string | undefined;
}

/** One line of the method table. */
export interface Method<P extends Parameters = Parameters> {
  /** What it does, and what is odd about it. */
  readonly about: string;
  readonly parameters: P;
  /** What comes back. */
  readonly result: string;
  /** What it does to the machine. */
  readonly access: Access;
  /** Whether calling it twice does no more than calling it once. */
  readonly isRepeatable: boolean;
  /** Takes long: the call answers with the run's id at once. */
  readonly isRun: boolean;
  readonly call: (board: BoardLink, args: Arguments<P>, context: MethodContext) => Promise<unknown>;
}

type Written<P extends Parameters> = Pick<Method<P>, "about" | "parameters" | "result" | "call">;

const made = <P extends Parameters>(access: Access, method: Written<P>, isRepeatable: boolean, isRun: boolean): Method =>
  ({ ...method, access, isRepeatable, isRun }) as unknown as Method;

/** Looks, or sets something to what it may be already. */
export const repeatable = <P extends Parameters>(access: Access, method: Written<P>): Method => made(access, method, true, false);
/** Does something each time it is called. */
export const once = <P extends Parameters>(access: Access, method: Written<P>): Method => made(access, method, false, false);
/** Takes long. */
export const run = <P extends Parameters>(access: Access, method: Written<P>): Method => made(access, method, false, true);
