import { type Fields, fieldsOf, integerOf, integersOf, listOf, numberOf, orNull, textOf, unexpected } from "./fields.js";
import { type BoardPlace, decodeBoardPlace } from "./job-machine.js";
import { dateOf, decodeJobState, type JobState } from "./job-status.js";
import type { ServerVersion } from "./server-version.js";

/** A job as it stands in the server's list; destroyed ones are not listed. */
export interface ListedJob {
  readonly jobId: number;
  readonly owner: string;
  readonly state: JobState;
  readonly power: boolean | null;
  readonly startTime: Date | null;
  readonly keepaliveMs: number | null;
  readonly keepaliveHost: string | null;
  /** What was asked for, as the owner wrote it. */
  readonly args: readonly unknown[];
  readonly kwargs: Fields;
  readonly machine: string | null;
  readonly boards: readonly BoardPlace[];
}

/** Board-to-board links, the six directions of a board. */
export type BoardLink = "east" | "north-east" | "north" | "west" | "south-west" | "south";

export interface ListedMachine {
  readonly name: string;
  readonly tags: readonly string[];
  /** In triads. */
  readonly width: number;
  readonly height: number;
  readonly deadBoards: readonly BoardPlace[];
  readonly deadLinks: readonly (BoardPlace & { readonly link: BoardLink })[];
}

const LINKS = {
  python: ["east", "north-east", "north", "west", "south-west", "south"],
  // JavaSpiNNaker writes the ordinals of its own alloc/model/Direction here.
  java: ["north", "north-east", "east", "south", "south-west", "west"],
} as const;

/** Reads the answer to list_jobs. */
export function decodeJobList(value: unknown, dialect: ServerVersion["dialect"] = "python"): ListedJob[] {
  return listOf(value, "the list of jobs", (item, what) => {
    const fields = fieldsOf(item, what);
    const keepalive = orNull(fields["keepalive"], "keepalive", numberOf);
    return {
      jobId: integerOf(fields["job_id"], "job_id"),
      owner: orNull(fields["owner"], "owner", textOf) ?? "",
      state: decodeJobState(fields["state"]),
      power: typeof fields["power"] === "boolean" ? fields["power"] : null,
      startTime: dateOf(fields["start_time"]),
      keepaliveMs: keepalive === null || dialect === "java" ? null : keepalive * 1000,
      keepaliveHost: orNull(fields["keepalivehost"], "keepalivehost", textOf) || null,
      args: orNull(fields["args"], "args", (list, name) => listOf(list, name, (entry) => entry)) ?? [],
      kwargs: orNull(fields["kwargs"], "kwargs", fieldsOf) ?? {},
      machine: orNull(fields["allocated_machine_name"], "allocated_machine_name", textOf) || null,
      boards: orNull(fields["boards"], "boards", (list, name) => listOf(list, name, decodeBoardPlace)) ?? [],
    };
  });
}

/** Reads the answer to list_machines; link numbers become words, since servers count them differently. */
export function decodeMachineList(value: unknown, dialect: ServerVersion["dialect"] = "python"): ListedMachine[] {
  return listOf(value, "the list of machines", (item, what) => {
    const fields = fieldsOf(item, what);
    return {
      name: textOf(fields["name"], "name"),
      tags: listOf(fields["tags"], "tags", textOf).sort(),
      width: integerOf(fields["width"], "width"),
      height: integerOf(fields["height"], "height"),
      deadBoards: listOf(fields["dead_boards"], "dead_boards", decodeBoardPlace),
      deadLinks: listOf(fields["dead_links"], "dead_links", (entry, name) => {
        const [x, y, z, number] = integersOf(entry, name, 4) as [number, number, number, number];
        const link = LINKS[dialect][number];
        if (link === undefined) throw unexpected(name, "a board and a link from 0 to 5", entry);
        return { x, y, z, link };
      }),
    };
  });
}
