/** The published state as it comes to the page: names as on the wire. */
export interface PublishedState {
  board: { readonly host: string; readonly simulation: boolean; readonly version: string | null };
  machine: { readonly width: number; readonly height: number; readonly root: string } | null;
  chips: Record<string, PublishedChip>;
  problems: readonly string[];
  runs: Record<string, PublishedRun>;
  network: Readonly<Record<string, number | null>> | null;
  sensors: Record<string, Readonly<Record<string, unknown>> | null>;
  detail: Record<string, RunDetail>;
  updated: string | null;
}

export interface PublishedChip {
  readonly core_count: number;
  readonly core_states: readonly number[];
  readonly links: number;
  readonly ethernet: string | null;
  readonly largest_sdram_block: number;
  readonly free_router_entries: number;
}

export interface PublishedProgress {
  readonly what: string;
  readonly done: number;
  readonly total: number;
  readonly unit: string;
}

export interface PublishedRun {
  readonly method: string;
  readonly state: string;
  readonly step: string | null;
  readonly progress: PublishedProgress | null;
}

export interface RunDetail {
  readonly run: {
    readonly paused_by: readonly string[];
    readonly stop_reason: string | null;
    readonly started: string;
    readonly updated: string;
  };
  readonly values: { readonly error?: { readonly message: string; readonly hint: string | null } | null };
}

/** A place, one or two steps deep, and what stands there now; without a value, nothing does. */
export type Change = readonly [path: readonly string[], value?: unknown];

/** What has changed, for those who draw: names of the state's members, and which chips. */
export interface Touched {
  readonly members: ReadonlySet<string>;
  /** `undefined`: all of them. */
  readonly chips: readonly string[] | undefined;
}

/** Makes changes in place. Places that lead nowhere are left alone: the next whole state sets them right. */
export function applyChanges(state: PublishedState, changes: readonly Change[]): Touched {
  const members = new Set<string>();
  const chips: string[] = [];
  let isAll = false;
  for (const [[member, key], ...value] of changes) {
    if (member === undefined) continue;
    members.add(member);
    if (key === undefined) {
      (state as unknown as Record<string, unknown>)[member] = value[0] ?? null;
      isAll ||= member === "chips" || member === "machine";
      continue;
    }
    const inside = (state as unknown as Record<string, Record<string, unknown> | null>)[member];
    if (typeof inside !== "object" || inside === null) continue;
    if (value.length === 0) delete inside[key];
    else inside[key] = value[0];
    if (member === "chips") chips.push(key);
  }
  return { members, chips: isAll ? undefined : chips };
}
