import { type LineSocket, TCPServer, type TCPServerOptions } from "../rpc/index.js";
import { LOG_BANNER } from "./log-forwarder.js";
import { type LogEntry, readLogHead } from "./log-line.js";

/** Longest entry that is kept, characters: an entry of more lines than this holds would be held in memory until its last line. */
const MAX_ENTRY_CHARS = 1024 * 1024;

/** Collects log entries from controllers, as an ARTIQ master does. A line without colon, or an entry of more than a million characters, cuts its sender off. */
export class LogServer extends TCPServer {
  readonly #receive: (source: string, entry: LogEntry) => void;

  constructor(receive: (source: string, entry: LogEntry) => void, options: TCPServerOptions = {}) {
    super({ maxLineBytes: 1024 * 1024, ...options });
    this.#receive = receive;
  }

  protected override async serve(connection: LineSocket): Promise<void> {
    if (!(await this.greeted(connection, LOG_BANNER))) return;
    for (;;) {
      const line = await connection.next();
      if (line === null) return;
      const head = readLogHead(line);
      if (head === undefined) {
        this.cutOff(connection, "sent a log line without source");
        return;
      }
      const lines = [head.entry.message];
      let size = line.length;
      for (let more = head.linesMore; more > 0; more -= 1) {
        const next = await connection.next();
        if (next === null) break;
        size += next.length;
        if (size > MAX_ENTRY_CHARS) {
          this.cutOff(connection, `sent a log entry of more than ${MAX_ENTRY_CHARS} characters`);
          return;
        }
        lines.push(next);
      }
      this.#receive(head.source, { ...head.entry, message: lines.join("\n") });
    }
  }
}
