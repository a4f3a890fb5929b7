import { SpinnError } from "../../errors.js";
import { type Fields, fieldsOf, integerOf, integersOf, listOf, orNull, textOf, unexpected } from "./fields.js";
import { type BoardPlace, decodeBoardPlace, decodeChip, decodeConnections, type JobMachine, makeJobMachine } from "./job-machine.js";
import { createJobArguments, type JobRequest } from "./job-request.js";
import { decodeJobStateName, type JobStatus } from "./job-status.js";
import type { BoardLink, ListedJob, ListedMachine } from "./listing.js";
import { decodeBoardPosition, type Place } from "./where-is.js";

/**
 * A job request for POST jobs. Throws `ERR_SPINN_ARGUMENT` for what the service does not take: a keepalive outside 30 to 300 s, and the
 * classic protocol's minRatio, maxDeadLinks and requireTorus, which it would leave out in silence. The owner is whoever is logged in.
 */
export function encodeWebJobRequest(request: JobRequest, group?: string): Fields {
  const { board, triads, keepaliveMs = 60_000, minRatio, maxDeadLinks, requireTorus } = request;
  const { args } = createJobArguments({ ...request, owner: "me" });
  if (keepaliveMs === null || keepaliveMs < 30_000 || keepaliveMs > 300_000) wrong("keepaliveMs must be from 30 000 to 300 000");
  if (minRatio !== undefined || requireTorus === true || (maxDeadLinks ?? null) !== null) {
    wrong("minRatio, maxDeadLinks and requireTorus are not known to the web service");
  }
  return {
    "keepalive-interval": `PT${keepaliveMs / 1000}S`,
    ...(board ? { board: { x: board.x, y: board.y, z: board.z } } : {}),
    ...(triads ? { dimensions: { width: triads.width, height: triads.height } } : {}),
    ...(board || triads ? {} : { "num-boards": args[0] }),
    ...(request.machine === undefined ? { tags: request.tags ?? ["default"] } : { "machine-name": request.machine }),
    "max-dead-boards": request.maxDeadBoards === null ? 0xffff : (request.maxDeadBoards ?? 0),
    ...(group === undefined ? {} : { group }),
  };
}

/** Reads a job state; whether its boards are on is another resource. */
export function decodeWebJobStatus(fields: Fields, power: boolean | null): JobStatus {
  const start = orNull(fields["start-time"], "start-time", textOf);
  return {
    state: decodeJobStateName(fields["state"]),
    power,
    keepaliveMs: null,
    reason: orNull(fields["reason"], "reason", textOf) || null,
    startTime: start === null || Number.isNaN(Date.parse(start)) ? null : new Date(start),
    keepaliveHost: orNull(fields["keepalive-host"], "keepalive-host", textOf) || null,
  };
}

/** A job of a list: what its state says, without its boards. */
export function decodeWebListedJob(jobId: number, fields: Fields): ListedJob {
  const { state, startTime, keepaliveHost } = decodeWebJobStatus(fields, null);
  const asked = orNull(fields["original-request"], "original-request", fieldsOf) ?? {};
  return {
    jobId,
    owner: orNull(fields["owner"], "owner", textOf) ?? "",
    state,
    power: null,
    startTime,
    keepaliveMs: null,
    keepaliveHost,
    args: typeof asked["num-boards"] === "number" ? [asked["num-boards"]] : [],
    kwargs: asked,
    machine: orNull(asked["machine-name"], "machine-name", textOf),
    boards: [],
  };
}

export function decodeWebPower(fields: Fields): boolean {
  const power = fields["power"];
  if (power !== "ON" && power !== "OFF") throw unexpected("power", "ON or OFF", power);
  return power === "ON";
}

/**
 * Reads an allocation. Its size is in triads and does not say whether it wraps round: it does in a direction where it takes the whole of
 * `whole`, the machine that it is a part of.
 */
export function decodeWebJobMachine(fields: Fields, whole: { readonly width: number; readonly height: number }): JobMachine {
  const single = integerOf(fields["depth"], "depth") === 1;
  const chips = (name: "width" | "height"): number => {
    if (single) return 8;
    const triads = integerOf(fields[name], name);
    if (triads < 1 || triads > 21) throw unexpected(name, "1 to 21 triads", triads);
    return triads * 12 + (triads === whole[name] ? 0 : 4);
  };
  const machine = textOf(fields["machine-name"], "machine-name");
  const boards = listOf(fields["boards"], "boards", decodeBoardPlace);
  return makeJobMachine(machine, chips("width"), chips("height"), decodeConnections(fields["connections"]), boards);
}

export function decodeWebPlace(fields: Fields): Place {
  const jobId = orNull(fields["job-id"], "job-id", integerOf);
  return {
    machine: textOf(fields["machine"], "machine"),
    board: decodeBoardPlace(fields["logical-board-coordinates"], "logical-board-coordinates"),
    position: decodeBoardPosition(fields["physical-board-coordinates"], "physical-board-coordinates"),
    chip: decodeChip(fields["chip"], "chip"),
    boardChip: decodeChip(fields["board-chip"], "board-chip"),
    jobId: jobId === 0 ? null : jobId,
    jobChip: orNull(fields["job-chip"], "job-chip", decodeChip),
  };
}

/** The service names links by the compass of its own drawing. */
const WEB_LINKS: Readonly<Record<string, BoardLink>> = {
  N: "north",
  E: "north-east",
  SE: "east",
  S: "south",
  W: "south-west",
  NW: "west",
};

/** Reads one machine, of the list (dead-boards, dead-links) or by itself (down-boards, down-links). Both ends of a dead link are named. */
export function decodeWebMachine(value: unknown): ListedMachine {
  const fields = fieldsOf(value, "a machine");
  return {
    name: textOf(fields["name"], "name"),
    tags: listOf(fields["tags"], "tags", textOf).sort(),
    width: integerOf(fields["width"], "width"),
    height: integerOf(fields["height"], "height"),
    deadBoards: listOf(fields["dead-boards"] ?? fields["down-boards"] ?? [], "dead-boards", webBoard),
    deadLinks: listOf(fields["dead-links"] ?? fields["down-links"] ?? [], "dead-links", (link, what) =>
      listOf(link, what, (end) => {
        const { board, direction } = fieldsOf(end, what);
        const word = WEB_LINKS[textOf(direction, what)];
        if (word === undefined) throw unexpected(what, "one of N, E, SE, S, W, NW", direction);
        return { ...webBoard(board, what), link: word };
      }),
    ).flat(),
  };
}

function webBoard(value: unknown, what: string): BoardPlace {
  const { x, y, z } = fieldsOf(value, what);
  const [triadX, triadY, board] = integersOf([x, y, z], what, 3) as [number, number, number];
  return { x: triadX, y: triadY, z: board };
}

function wrong(message: string): never {
  throw new SpinnError("ERR_SPINN_ARGUMENT", message);
}
