import { userInfo } from "node:os";
import { checkInteger, SpinnError } from "../../errors.js";
import type { BoardPlace } from "./job-machine.js";

/** Boards to ask for, and how. */
export interface JobRequest {
  /** At least this many boards: 1, or whole triads (3 boards each) as square as `minRatio` wants. Default 1. Excludes `triads` and `board`. */
  readonly boards?: number | undefined;
  /** A rectangle of triads. */
  readonly triads?: { readonly width: number; readonly height: number } | undefined;
  /** One particular board. */
  readonly board?: BoardPlace | undefined;
  /** Who asks, in printable ASCII; default the name of the user that runs this process. */
  readonly owner?: string | undefined;
  /** Milliseconds without a sign of life after which the server ends the job; default 60 000; null is never: then a crash keeps the boards. */
  readonly keepaliveMs?: number | null | undefined;
  /** The machine to take boards from. Excludes `tags`. */
  readonly machine?: string | undefined;
  /** What the machine must be tagged with; default `["default"]`, by the server. */
  readonly tags?: readonly string[] | undefined;
  /** Least height/width (or width/height) of the rectangle; default 0.333, as the reference client. */
  readonly minRatio?: number | undefined;
  /** Dead or unreachable boards allowed in the rectangle; null is any; default 0. */
  readonly maxDeadBoards?: number | null | undefined;
  /** Dead links allowed in the rectangle; null is any, the default. */
  readonly maxDeadLinks?: number | null | undefined;
  /** Only a whole machine, with its wrap-around links; default false. */
  readonly requireTorus?: boolean | undefined;
}

/** `setInterval` cannot wait longer, and no job needs to. */
const MAX_KEEPALIVE_MS = 0x7fffffff;

/**
 * The arguments of create_job. Throws `ERR_SPINN_ARGUMENT` for what servers refuse, before anything is sent: a refused request leaves a
 * half-made job behind in the Python servers (0.5.2, 7.1.0), and when that times out the server stops answering anybody.
 */
export function createJobArguments(request: JobRequest): { readonly args: number[]; readonly kwargs: Record<string, unknown> } {
  const { boards, triads, board, machine, tags, requireTorus = false } = request;
  if ([boards, triads, board].filter((given) => given !== undefined).length > 1) wrong("give only one of boards, triads and board");
  if (machine !== undefined && tags !== undefined) wrong("give a machine or tags, not both");
  const args = triads
    ? [checkInteger("triads.width", triads.width, 1, 256), checkInteger("triads.height", triads.height, 1, 256)]
    : board
      ? [checkInteger("board.x", board.x, 0, 255), checkInteger("board.y", board.y, 0, 255), checkInteger("board.z", board.z, 0, 2)]
      : [checkInteger("boards", boards ?? 1, 1, 65535)];
  if (requireTorus && (board !== undefined || (triads === undefined && args[0] === 1))) wrong("a single board is no torus");
  const minRatio = request.minRatio ?? 0.333;
  if (!(minRatio >= 0 && minRatio <= 1)) wrong(`minRatio must be from 0 to 1, not ${String(minRatio)}`);
  return {
    args,
    kwargs: {
      owner: checkOwner(request.owner ?? userInfo().username),
      keepalive: checkKeepaliveMs(request.keepaliveMs),
      machine: machine === undefined ? null : checkText("machine", machine),
      tags: tags === undefined ? null : tags.map((tag) => checkText("a tag", tag)),
      min_ratio: minRatio,
      max_dead_boards: countOrNull("maxDeadBoards", request.maxDeadBoards, 0),
      max_dead_links: countOrNull("maxDeadLinks", request.maxDeadLinks, null),
      require_torus: requireTorus,
    },
  };
}

/** In seconds, as servers want it. */
function checkKeepaliveMs(value: number | null = 60_000): number | null {
  if (value === null) return null;
  if (value >= 100 && value <= MAX_KEEPALIVE_MS) return value / 1000;
  return wrong(`keepaliveMs must be null or from 100 to ${MAX_KEEPALIVE_MS}, not ${String(value)}`);
}

function checkOwner(owner: string): string {
  if (/^[\x20-\x7e]+$/.test(owner) && owner.trim() !== "") return owner;
  return wrong("owner must be a name in printable ASCII");
}

function checkText(what: string, value: string): string {
  return typeof value === "string" && value !== "" ? value : wrong(`${what} must be a name`);
}

function countOrNull(name: string, value: number | null | undefined, otherwise: number | null): number | null {
  const count = value === undefined ? otherwise : value;
  return count === null ? null : checkInteger(name, count, 0, 0xffffffff);
}

function wrong(message: string): never {
  throw new SpinnError("ERR_SPINN_ARGUMENT", message);
}
