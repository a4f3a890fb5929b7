import type { JobMachine } from "./job-machine.js";
import type { JobRequest } from "./job-request.js";
import type { JobStatus } from "./job-status.js";
import type { KeepalivePlan } from "./keepalive.js";
import type { ListedJob, ListedMachine } from "./listing.js";
import type { BoardProxy } from "./proxy.js";
import type { Place, PlaceQuery } from "./where-is.js";

/** What a job needs of the server that holds it, whatever protocol that speaks. All that waits ends with `signal`. */
export interface Allocator {
  /** The server, for messages. */
  readonly where: string;
  createJob(request: JobRequest, options?: { readonly signal?: AbortSignal | undefined }): Promise<number>;
  jobStatus(jobId: number, options?: { readonly signal?: AbortSignal | undefined }): Promise<JobStatus>;
  jobMachine(jobId: number, options?: { readonly signal?: AbortSignal | undefined }): Promise<JobMachine | null>;
  setPower(jobId: number, on: boolean, options?: { readonly signal?: AbortSignal | undefined }): Promise<void>;
  destroyJob(jobId: number, reason: string | null, options?: { readonly signal?: AbortSignal | undefined }): Promise<void>;
  /** A chip counted from the job's corner; null where the job has no board. */
  whereIsChip(
    jobId: number,
    chip: { readonly x: number; readonly y: number },
    options?: { readonly signal?: AbortSignal | undefined },
  ): Promise<Place | null>;
  /** Every job that has not ended, or all that this user may see. Does not count as a sign of life. */
  listJobs(options?: { readonly signal?: AbortSignal | undefined }): Promise<ListedJob[]>;
  listMachines(options?: { readonly signal?: AbortSignal | undefined }): Promise<ListedMachine[]>;
  /** One place under all its names; null where no board is. */
  whereIs(query: PlaceQuery, options?: { readonly signal?: AbortSignal | undefined }): Promise<Place | null>;
  /**
   * Calls `changed` when the job (null: any job) may have changed, until the returned function is called. Changes may be missed: ask from time
   * to time.
   */
  watchJob(jobId: number | null, changed: () => void): () => void;
  /** How a thread of its own keeps the job alive, and ends it when the process goes down. */
  keepalivePlan(jobId: number): KeepalivePlan;
  /** Servers that can carry datagrams: whether they do for a job, and the connection that does. */
  hasProxy?(jobId: number, options?: { readonly signal?: AbortSignal | undefined }): Promise<boolean>;
  openProxy?(
    jobId: number,
    connections: JobMachine["connections"],
    options?: { readonly signal?: AbortSignal | undefined },
  ): Promise<BoardProxy | null>;
  close(): Promise<void>;
}
