import type { BoardStatus } from "../transceiver/index.js";
import { formatTable } from "./table.js";
import type { Meaning, Terminal } from "./terminal.js";

export interface SensorReading {
  readonly name: string;
  readonly value: number | undefined;
  readonly unit: "V" | "C" | "rpm";
  readonly verdict: "ok" | "warning" | "shutdown" | "off" | "none";
}

/** A rail below half of its voltage is off. */
const RAILS: readonly (readonly [keyof BoardStatus & `voltage${string}`, string, number])[] = [
  ["voltage12a", "1.2 V A", 1.2],
  ["voltage12b", "1.2 V B", 1.2],
  ["voltage12c", "1.2 V C", 1.2],
  ["voltage18", "1.8 V", 1.8],
  ["voltage33", "3.3 V", 3.3],
  ["voltageSupply", "12 V", 12],
];

/** Bits of `warnings` and `shutdowns`: the BMP's own limits decide. Source: spinnaker_bmp bmp.h (board_stat). */
const WARNING_BIT: Readonly<Record<string, number>> = {
  "1.2 V C": 1,
  "1.2 V B": 2,
  "1.2 V A": 3,
  "1.8 V": 4,
  "3.3 V": 6,
  "12 V": 7,
  "temperature top": 8,
  "temperature bottom": 9,
  "temperature outside 0": 12,
  "temperature outside 1": 13,
  "fan 0": 16,
  "fan 1": 17,
  "fan 2": 18,
  "fan 3": 19,
};

/** Readings of a board with what its BMP thinks of each. */
export function readings(status: BoardStatus): SensorReading[] {
  const one = (name: string, value: number | undefined, unit: SensorReading["unit"], isOff = false): SensorReading => {
    const bit = WARNING_BIT[name]!;
    const shutdown = (status.shutdowns >>> bit) & 1;
    const warning = (status.warnings >>> bit) & 1;
    const verdict = value === undefined ? "none" : shutdown ? "shutdown" : isOff ? "off" : warning ? "warning" : "ok";
    return { name, value, unit, verdict };
  };
  return [
    ...RAILS.map(([key, name, nominal]) => one(name, status[key] as number, "V", (status[key] as number) < nominal / 2)),
    one("temperature top", status.temperatureTop, "C"),
    one("temperature bottom", status.temperatureBottom, "C"),
    ...status.temperatureExternal.map((value, i) => one(`temperature outside ${i}`, value, "C")),
    ...status.fans.map((value, i) => one(`fan ${i}`, value === 0 ? undefined : value, "rpm")),
  ];
}

/** Whether something is wrong with a board: a warning or a shutdown. A board that is off is not. */
export function isAlarming(all: readonly SensorReading[]): boolean {
  return all.some(({ verdict }) => verdict === "warning" || verdict === "shutdown");
}

const COLOUR: Readonly<Record<SensorReading["verdict"], Meaning>> = {
  ok: "good",
  warning: "odd",
  shutdown: "bad",
  off: "faint",
  none: "faint",
};

/** A table: one line per sensor that is there, one column per board. */
export function formatSensors(terminal: Terminal, boards: readonly { readonly slot: number; readonly sensors: BoardStatus }[]): string {
  const columns = boards.map(({ sensors }) => readings(sensors));
  const rows: string[][] = [];
  for (const [i, { name, unit }] of (columns[0] ?? []).entries()) {
    if (columns.every((column) => column[i]!.value === undefined)) continue;
    rows.push([
      name,
      unit,
      ...columns.map((column) => {
        const { value, verdict } = column[i]!;
        if (value === undefined) return "";
        const words = `${value.toFixed(unit === "V" ? 2 : unit === "C" ? 1 : 0)} ${verdict}`;
        return terminal.paint(COLOUR[verdict], words);
      }),
    ]);
  }
  const head = [{ title: "sensor" }, { title: "unit" }, ...boards.map(({ slot }) => ({ title: `slot ${slot}`, align: "right" as const }))];
  return formatTable(head, rows, terminal.columns);
}
