import { SpinnError } from "../../errors.js";
import { Channel, type ProxiedListener } from "./proxied-channel.js";

interface PortWay {
  sendTo(datagram: Uint8Array, host: string, port: number): void;
  send(datagram: Uint8Array): void;
  close(): void;
}

/** A channel that boards can send to: a `DatagramPort` of `spinnkit/stream`. The proxy does not say which board a datagram is from. */
export class ProxiedPort {
  /** Where boards reach it, for their IP tags; 0.0.0.0 when the service is not set up for that. */
  readonly host: string;
  readonly port: number;
  readonly #channel: Channel;
  readonly #way: PortWay;

  constructor(host: string, port: number, way: PortWay) {
    this.host = host;
    this.port = port;
    this.#way = way;
    this.#channel = new Channel(`${host}:${port}`, way);
  }

  /** Calls `listener` for each datagram, with the address of this port for that of the unknown board. */
  onMessage(listener: (datagram: Uint8Array, from: { readonly address: string; readonly port: number }) => void): () => void {
    const from = { address: this.host, port: this.port };
    return this.subscribe({ onDatagram: (datagram) => listener(datagram, from) });
  }

  subscribe(listener: ProxiedListener): () => void {
    return this.#channel.subscribe(listener);
  }

  /** To a port of a board of the job. Throws `ERR_SPINN_REFUSED` for other hosts, `ERR_SPINN_CLOSED`. */
  async send(datagram: Uint8Array, port: number, host: string): Promise<void> {
    if (this.#channel.closed) throw new SpinnError("ERR_SPINN_CLOSED", "the proxied port is closed");
    this.#way.sendTo(datagram, host, port);
  }

  deliver(datagram: Uint8Array): void {
    this.#channel.deliver(datagram);
  }

  end(error?: SpinnError): void {
    this.#channel.end(error);
  }

  close(): Promise<void> {
    return this.#channel.close();
  }
}
