import { SpinnError } from "../../errors.js";
import { asText, member } from "./member.js";

/** The classes a Python client can raise: it looks the name up among Python's builtins and fails on any other. */
const BUILTINS: ReadonlySet<string> = new Set(
  (
    "ArithmeticError AssertionError AttributeError BrokenPipeError BufferError ConnectionAbortedError ConnectionError ConnectionRefusedError " +
    "ConnectionResetError EOFError Exception FileExistsError FileNotFoundError FloatingPointError IndexError InterruptedError " +
    "IsADirectoryError KeyError LookupError MemoryError NameError NotADirectoryError NotImplementedError OSError OverflowError " +
    "PermissionError ProcessLookupError RecursionError RuntimeError StopAsyncIteration StopIteration SyntaxError TimeoutError TypeError " +
    "UnicodeError ValueError ZeroDivisionError"
  ).split(" "),
);
const GENERIC = "GenericRemoteException";

/**
 * What a method at the far side threw. `remoteClass` is Python's name for it (`ValueError`, or `GenericRemoteException` for classes of
 * its own), `parentTraceback` its lines. Methods of a server may throw one to choose the class their callers see.
 */
export class RemoteError extends SpinnError {
  readonly remoteClass: string;
  readonly remoteMessage: string;
  readonly parentTraceback: readonly string[];

  constructor(remoteClass: string, message: string, parentTraceback: readonly string[] = [], board?: string) {
    super("ERR_SPINN_REMOTE", remoteClass === GENERIC ? message : `${remoteClass}: ${message}`, { board });
    this.name = "RemoteError";
    this.remoteClass = remoteClass;
    this.remoteMessage = message;
    this.parentTraceback = parentTraceback;
  }

  static override [Symbol.hasInstance](value: unknown): boolean {
    return value instanceof Error && value.name === "RemoteError" && "remoteClass" in value;
  }
}

/** The server has no target of that name, or the wrong number of them for `AutoTarget`. The message lists what it has. */
export class IncompatibleServer extends SpinnError {
  constructor(message: string, board: string) {
    super("ERR_SPINN_WRONG_DEVICE", message, { board, hint: "choose a target by name" });
    this.name = "IncompatibleServer";
  }

  static override [Symbol.hasInstance](value: unknown): boolean {
    return value instanceof Error && value.name === "IncompatibleServer";
  }
}

/** An exception as pc_rpc carries it. */
export interface PackedException {
  readonly class: string;
  readonly message: string;
  readonly traceback: readonly string[];
}

/** What was thrown, in Python's words: a builtin class where one fits, else generic with the class name in the message. */
export function packException(thrown: unknown, withTraceback: boolean): PackedException {
  const traceback = withTraceback && thrown instanceof Error ? frames(thrown) : [];
  if (thrown instanceof RemoteError) {
    const known = BUILTINS.has(thrown.remoteClass);
    return {
      class: known ? thrown.remoteClass : GENERIC,
      message: known || thrown.remoteClass === GENERIC ? thrown.remoteMessage : thrown.message,
      traceback: [...thrown.parentTraceback, ...traceback],
    };
  }
  const found = builtinFor(thrown);
  if (found !== undefined) return { class: found, message: textOf(thrown), traceback };
  const message = thrown instanceof SpinnError ? `${thrown.code}: ${thrown.message}` : `${nameOf(thrown)}: ${textOf(thrown)}`;
  return { class: GENERIC, message, traceback };
}

/** The error for a packed exception, whatever its shape: strangers write these too, and ARTIQ 1 sent a bare text. */
export function unpackException(packed: unknown, board: string): RemoteError {
  if (typeof packed === "string") return new RemoteError(GENERIC, packed, [], board);
  const lines = member(packed, "traceback");
  return new RemoteError(
    asText(member(packed, "class")) ?? GENERIC,
    asText(member(packed, "message")) ?? "(no message)",
    Array.isArray(lines) ? lines.filter((line) => typeof line === "string") : [],
    board,
  );
}

function builtinFor(thrown: unknown): string | undefined {
  if (thrown instanceof SpinnError) {
    if (thrown.code === "ERR_SPINN_ARGUMENT") return "ValueError";
    if (thrown.code === "ERR_SPINN_TIMEOUT") return "TimeoutError";
    return thrown.code === "ERR_SPINN_UNREACHABLE" ? "ConnectionError" : undefined;
  }
  if (!(thrown instanceof Error)) return undefined;
  const code = (thrown as NodeJS.ErrnoException).code;
  if (code === "ECONNREFUSED") return "ConnectionRefusedError";
  if (code === "ECONNRESET") return "ConnectionResetError";
  if (code === "EPIPE") return "BrokenPipeError";
  if (code === "ENOENT") return "FileNotFoundError";
  if (code === "EACCES" || code === "EPERM") return "PermissionError";
  if (code === "ETIMEDOUT" || thrown.name === "TimeoutError") return "TimeoutError";
  if (thrown.constructor === TypeError) return "TypeError";
  return thrown.constructor === RangeError ? "ValueError" : undefined;
}

function nameOf(thrown: unknown): string {
  return thrown instanceof Error ? String(thrown.name) : typeof thrown;
}

function textOf(thrown: unknown): string {
  try {
    return String(thrown instanceof Error ? thrown.message : thrown);
  } catch {
    return "(no text)";
  }
}

/** One text per stack frame, the innermost last as Python has it. */
function frames(error: Error): string[] {
  const lines = String(error.stack ?? "")
    .split("\n")
    .filter((line) => line.startsWith("    at "));
  return lines.map((line) => `  ${line.trim()}\n`).reverse();
}
