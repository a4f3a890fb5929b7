import { SpinnError, type SpinnErrorCode } from "../errors.js";
import { RemoteError } from "../services/rpc/index.js";
import { type PlainError, plainError } from "./plain.js";

/** Our line among the lines of a traceback, by which a client of ours knows the error again. */
const MARK = "spinnkit error ";
/** Python's classes for what they fit; any other error is a generic one there, with its code in front of the message. */
const CLASSES: Partial<Record<SpinnErrorCode, string>> = {
  ERR_SPINN_ARGUMENT: "ValueError",
  ERR_SPINN_TIMEOUT: "TimeoutError",
  ERR_SPINN_UNREACHABLE: "ConnectionError",
};

/** An error as it goes over the wire: Python's class, and all we know of it in the traceback. What is not ours goes as it is. */
export function carried(error: unknown): unknown {
  if (!(error instanceof SpinnError) || error instanceof RemoteError) return error;
  const known = CLASSES[error.code];
  const message = known === undefined ? `${error.code}: ${error.message}` : error.message;
  return new RemoteError(known ?? "GenericRemoteException", message, [`${MARK}${JSON.stringify(plainError(error))}\n`]);
}

/** The same function, whose errors are as they go over the wire. */
export function carrying(call: (...args: never[]) => unknown): (...args: never[]) => unknown {
  return (...args) => {
    try {
      const result = call(...args);
      return result instanceof Promise ? result.catch((error: unknown) => Promise.reject(carried(error) as Error)) : result;
    } catch (error) {
      throw carried(error);
    }
  };
}

/** The error that was carried: same code, message, hint and place. Anything else as it came. */
export function restored(error: unknown): unknown {
  if (!(error instanceof RemoteError)) return error;
  const line = error.parentTraceback.find((one) => one.startsWith(MARK));
  if (line === undefined) {
    // The server's own check of a call's form.
    return error.remoteClass === "TypeError" ? new SpinnError("ERR_SPINN_ARGUMENT", error.remoteMessage, { cause: error }) : error;
  }
  try {
    return errorOf(JSON.parse(line.slice(MARK.length)), error) ?? error;
  } catch {
    return error;
  }
}

/** The error that plain data tell of; `undefined` for data that do not. */
export function errorOf(data: unknown, cause?: unknown): SpinnError | undefined {
  const { code, message, hint, board, request, return_code: returnCode } = (data ?? {}) as Partial<PlainError>;
  if (typeof code !== "string" || !code.startsWith("ERR_SPINN_") || typeof message !== "string") return undefined;
  return new SpinnError(code as SpinnErrorCode, message, {
    hint: hint ?? undefined,
    board: board ?? undefined,
    request: request ?? undefined,
    returnCode: returnCode ?? undefined,
    ...(cause === undefined ? {} : { cause }),
  });
}
