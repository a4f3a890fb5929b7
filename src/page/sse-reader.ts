/** One server-sent event. */
export interface ServerEvent {
  readonly event: string;
  readonly data: string;
}

/** Takes a text/event-stream apart, however it was cut on its way. Of the format, what the server uses: `event`, `data`, comments. */
export class SseReader {
  /** The line that is not finished. Bounded by what the server sends as one line: it is ours. */
  #rest = "";
  #event = "message";
  #data: string[] = [];

  push(text: string): ServerEvent[] {
    const lines = (this.#rest + text).split("\n");
    this.#rest = lines.pop()!;
    const found: ServerEvent[] = [];
    for (const line of lines) {
      if (line === "") {
        if (this.#data.length > 0) found.push({ event: this.#event, data: this.#data.join("\n") });
        this.#event = "message";
        this.#data = [];
      } else if (line.startsWith("event: ")) this.#event = line.slice(7);
      else if (line.startsWith("data: ")) this.#data.push(line.slice(6));
    }
    return found;
  }
}
