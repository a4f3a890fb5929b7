import { SpinnError } from "../../errors.js";
import type { EventTarget } from "./event-sender.js";
import { KeyMap } from "./key-map.js";
import { SQLiteFile, type SQLiteFileOptions, type SQLiteRow } from "./sqlite-file.js";

/** Where the live events of a population leave the machine. */
export interface LiveOutput {
  readonly label: string;
  /** Label of the gatherer that sends them. */
  readonly receiver: string;
  /** Address of the board whose tag it is. */
  readonly board: string;
  readonly tag: number;
  /** Where the tool chain has aimed the tag: host and port; port 0 is not decided. */
  readonly host: string;
  readonly port: number;
  /** The SDP header is taken off. A tag that does not cannot be aimed at a socket of ours. */
  readonly stripsSdp: boolean;
}

/** A population that events can be sent to. */
export interface LiveInput {
  readonly label: string;
  readonly target: EventTarget;
}

/** What the tool chain's database tells to those who follow a run. */
export interface ToolChainDatabase {
  readonly path: string;
  /** Unit ms; `undefined` when the run has no end. */
  readonly runtimeMs: number | undefined;
  /** Length of a step, unit ms. */
  readonly stepMs: number | undefined;
  /** Keys of the populations whose events are sent, and of those that events can be sent to. */
  readonly keyMap: KeyMap;
  /** One for each population, board and tag. */
  readonly outputs: readonly LiveOutput[];
  /** One for each core of each population (each reverse tag, in databases of old). The tool chain's own sender uses the first. */
  readonly inputs: readonly LiveInput[];
  /** The boards belong to a job of an allocation server and may be reached through its proxy only. Its credentials are not read. */
  readonly isProxied: boolean;
}

/**
 * Reads the database that a notification names. Both layouts of SpiNNFrontEndCommon are understood: up to 6.0 keys belong to application
 * vertices and gatherers hang on application edges; since 7.0 keys belong to machine vertices, with a table of their gatherers.
 * Source: SpiNNFrontEndCommon `utilities/database/db.sql` and `database_reader.py`, 4.0.0 to 7.4.1.
 *
 * Throws `ERR_SPINN_FILE` for what is no such database.
 */
export async function readToolChainDatabase(path: string, options: SQLiteFileOptions = {}): Promise<ToolChainDatabase> {
  const file = await SQLiteFile.open(path, options);
  for (const table of ["event_to_atom_mapping", "graph_mapper_vertex", "Application_vertices", "IP_tags"]) {
    if (!file.has(table)) {
      throw new SpinnError("ERR_SPINN_FILE", `${path} has no table ${table}`, {
        hint: "is it the tool chain's input_output_database.sqlite3?",
      });
    }
  }
  const labels = new Map<number, string>();
  for (const row of file.rows("Application_vertices")) labels.set(number(row, "vertex_id"), text(row, "vertex_label"));
  const owners = new Map<number, number>();
  for (const row of file.rows("graph_mapper_vertex")) owners.set(number(row, "machine_vertex_id"), number(row, "application_vertex_id"));
  const labelOf = (machineVertex: number): string | undefined => labels.get(owners.get(machineVertex) ?? -1);
  const parameters = new Map<string, number>();
  if (file.has("configuration_parameters")) {
    for (const row of file.rows("configuration_parameters")) {
      if (typeof row["value"] === "number") parameters.set(text(row, "parameter_id"), row["value"]);
    }
  }
  const step = parameters.get("machine_time_step");
  const runtime = parameters.get("runtime");
  return {
    path,
    // A run without end has -1, or 0, or nothing there, depending on the version.
    runtimeMs: runtime !== undefined && runtime > 0 ? runtime : undefined,
    stepMs: step === undefined ? undefined : step / 1000,
    keyMap: readKeys(file, labels, labelOf),
    outputs: readOutputs(file, labels, labelOf),
    inputs: readInputs(file, labelOf),
    isProxied: file.has("proxy_configuration") && file.rows("proxy_configuration").next().done !== true,
  };
}

/** The join of the view label_event_atom_view, which is of either kind. */
function readKeys(file: SQLiteFile, labels: ReadonlyMap<number, string>, labelOf: (vertex: number) => string | undefined): KeyMap {
  const isByMachineVertex = file.views.get("label_event_atom_view")?.includes("graph_mapper_vertex") === true;
  const rows: { label: string; key: number; atom: number }[] = [];
  for (const row of file.rows("event_to_atom_mapping")) {
    const vertex = number(row, "vertex_id");
    const label = isByMachineVertex ? labelOf(vertex) : labels.get(vertex);
    if (label !== undefined) rows.push({ label, key: number(row, "event_id"), atom: number(row, "atom_id") });
  }
  return KeyMap.fromRows(rows);
}

/** The join of app_output_tag_view. */
function readOutputs(
  file: SQLiteFile,
  labels: ReadonlyMap<number, string>,
  labelOf: (vertex: number) => string | undefined,
): readonly LiveOutput[] {
  // Which populations send to the vertex that has a tag.
  const senders = new Map<number, Set<string>>();
  const names = new Map<number, string>();
  const add = (gatherer: number, label: string | undefined): void => {
    if (label === undefined) return;
    const known = senders.get(gatherer) ?? new Set();
    senders.set(gatherer, known.add(label));
  };
  if (file.has("m_vertex_to_lpg_vertex")) {
    for (const row of file.rows("Machine_vertices")) names.set(number(row, "vertex_id"), text(row, "label"));
    for (const row of file.rows("m_vertex_to_lpg_vertex")) add(number(row, "post_vertex_id"), labelOf(number(row, "pre_vertex_id")));
  } else if (file.has("Application_edges")) {
    const sources = new Map<number, Set<string>>();
    for (const row of file.rows("Application_edges")) {
      const label = labels.get(number(row, "pre_vertex"));
      const post = number(row, "post_vertex");
      if (label !== undefined) sources.set(post, (sources.get(post) ?? new Set()).add(label));
    }
    for (const row of file.rows("graph_mapper_vertex")) {
      const vertex = number(row, "machine_vertex_id");
      const owner = number(row, "application_vertex_id");
      names.set(vertex, labels.get(owner) ?? "");
      for (const label of sources.get(owner) ?? []) add(vertex, label);
    }
  }
  const outputs: LiveOutput[] = [];
  for (const row of file.rows("IP_tags")) {
    const vertex = number(row, "vertex_id");
    for (const label of senders.get(vertex) ?? []) {
      const way = {
        board: text(row, "board_address"),
        tag: number(row, "tag"),
        host: String(row["ip_address"] ?? ""),
        port: number(row, "port"),
      };
      outputs.push({ label, receiver: names.get(vertex) ?? "", ...way, stripsSdp: number(row, "strip_sdp") !== 0 });
    }
  }
  return outputs;
}

/** Reverse tags where there are any; else the cores of each population, with the address of their board. */
function readInputs(file: SQLiteFile, labelOf: (vertex: number) => string | undefined): readonly LiveInput[] {
  const inputs: LiveInput[] = [];
  if (file.has("Reverse_IP_tags")) {
    for (const row of file.rows("Reverse_IP_tags")) {
      const label = labelOf(number(row, "vertex_id"));
      if (label !== undefined) inputs.push({ label, target: { host: text(row, "board_address"), port: number(row, "port") } });
    }
  }
  if (!file.has("Placements") || !file.has("Machine_chip")) return inputs;
  const known = new Set(inputs.map(({ label }) => label));
  const chips = new Map<string, SQLiteRow>();
  for (const row of file.rows("Machine_chip")) chips.set(`${number(row, "chip_x")},${number(row, "chip_y")}`, row);
  for (const row of file.rows("Placements")) {
    const label = labelOf(number(row, "vertex_id"));
    const [x, y, p] = [number(row, "chip_x"), number(row, "chip_y"), number(row, "chip_p")];
    const chip = chips.get(`${x},${y}`);
    const ethernet = chip && chips.get(`${number(chip, "nearest_ethernet_x")},${number(chip, "nearest_ethernet_y")}`);
    const host = ethernet?.["ip_address"];
    if (label !== undefined && !known.has(label) && typeof host === "string") inputs.push({ label, target: { host, core: { x, y, p } } });
  }
  return inputs;
}

/** Numbers and texts of a foreign file are looked at before they are believed. */
function number(row: SQLiteRow, column: string): number {
  const value = row[column];
  if (typeof value === "number") return value;
  throw new SpinnError("ERR_SPINN_FILE", `the database has no number in ${column}`);
}

function text(row: SQLiteRow, column: string): string {
  const value = row[column];
  if (typeof value === "string") return value;
  throw new SpinnError("ERR_SPINN_FILE", `the database has no text in ${column}`);
}
