import { SpinnError } from "../../errors.js";

/** Levels by the names that are on the wire, with Python's numbers. */
export const LOG_LEVELS = { CRITICAL: 50, ERROR: 40, WARNING: 30, INFO: 20, DEBUG: 10, TRACE: 5 } as const;

export type LogLevel = keyof typeof LOG_LEVELS;

export interface LogEntry {
  readonly level: LogLevel;
  /** Name of the logger, without colon. */
  readonly name: string;
  /** One or more lines. */
  readonly message: string;
}

/**
 * An entry as ARTIQ's log collector takes it: `LEVEL:name:message`, or `LEVEL<n>:name:` and n lines. With `source:` in front it is what
 * travels to the collector, without it what a controller writes to stderr for artiq_ctlmgr. No line feed at the end.
 */
export function formatLogLine({ level, name, message }: LogEntry, source?: string): string {
  for (const part of [name, source ?? ""]) {
    if (/[:\r\n]/.test(part))
      throw new SpinnError("ERR_SPINN_ARGUMENT", `${JSON.stringify(part)} holds a colon or a line feed: it cannot name a log`);
  }
  const lines = message.split("\n").length;
  const entry = `${lines > 1 ? `${level}<${lines}>` : level}:${name}:${message}`;
  return source === undefined ? entry : `${source}:${entry}`;
}

/** First line of an entry; how many lines more belong to it. */
export interface LogHead {
  readonly source: string;
  readonly entry: LogEntry;
  readonly linesMore: number;
}

/** Most lines of one entry that are believed. */
const MAX_LINES = 10_000;

/** Reads the first line of an entry; what has no level is INFO of the logger `print`. Undefined for a line without any colon. */
export function readLogHead(line: string): LogHead | undefined {
  const colon = line.indexOf(":");
  if (colon < 0) return undefined;
  const [source, rest] = [line.slice(0, colon), line.slice(colon + 1)];
  const match = /^(CRITICAL|ERROR|WARN|WARNING|INFO|DEBUG|TRACE)(?:<(\d{1,6})>)?:([^:]*):(.*)$/s.exec(rest);
  if (match === null) return { source, entry: { level: "INFO", name: "print", message: rest }, linesMore: 0 };
  const level = match[1] === "WARN" ? "WARNING" : (match[1] as LogLevel);
  const lines = Math.min(Math.max(Number(match[2] ?? 1), 1), MAX_LINES);
  return { source, entry: { level, name: match[3]!, message: match[4]! }, linesMore: lines - 1 };
}
