import { connect, type Socket } from "node:net";

/** A socket that sends exactly what it is told, and gathers what comes. */
export class RawClient {
  readonly socket: Socket;
  readonly closed: Promise<void>;
  received = "";
  #changed: () => void = () => {};

  constructor(port: number, host = "127.0.0.1") {
    this.socket = connect({ host, port });
    this.socket.on("data", (chunk: Buffer) => {
      this.received += chunk.toString();
      this.#changed();
    });
    this.socket.on("error", () => {});
    this.closed = new Promise((resolve) => this.socket.on("close", () => resolve()));
    void this.closed.then(() => this.#changed());
  }

  send(text: string | Uint8Array): void {
    this.socket.write(text);
  }

  /** The next line that comes; throws when the connection closes first. */
  async line(): Promise<string> {
    for (;;) {
      const end = this.received.indexOf("\n");
      if (end >= 0) {
        const line = this.received.slice(0, end);
        this.received = this.received.slice(end + 1);
        return line;
      }
      if (this.socket.destroyed) throw new Error("closed before a line came");
      await new Promise<void>((resolve) => {
        this.#changed = resolve;
      });
    }
  }

  /** Greets, selects `target` and takes the method set. */
  async select(target: string): Promise<this> {
    this.send(`ARTIQ pc_rpc\n${target}\n`);
    await this.line();
    await this.line();
    return this;
  }

  destroy(): void {
    this.socket.destroy();
  }
}
