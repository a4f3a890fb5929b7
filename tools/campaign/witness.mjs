import { openUdp } from "../../dist/connections/index.js";
import { Random } from "./random.mjs";

/** Commands that SC&MP must not execute twice, by number and by what their first argument says (`src/commands`). */
const ONCE = {
  16: () => true, // REMAP
  19: () => true, // AR: resets its cores again
  24: () => true, // AS
  // ALLOC: a block without the retry flag, freeing one, router entries and giving them back.
  28: (arg1) => [1, 3, 4].includes(arg1 & 0xff) || ((arg1 & 0xff) === 0 && arg1 >>> 16 !== 4),
};

/**
 * Stands between a client and the network: counts what is sent, tells when the n-th datagram goes out, holds every repeat against the list of
 * what must go out once, and now and then hands in datagrams that nobody has asked for.
 */
export class Witness {
  sent = 0;
  strangers = 0;
  /** Repeats that should not have been: words. */
  broken = [];
  channels = 0;
  /** Called with the number of each datagram before it is sent. */
  onSend = () => {};
  #seen = new Set();
  #random;
  #strangers;

  constructor(seed, strangers) {
    this.#random = new Random(seed);
    this.#strangers = strangers;
  }

  open = async (host, port, options) => {
    const channel = await openUdp(host, port, options);
    this.channels += 1;
    const name = `${this.channels}`;
    const listeners = new Set();
    const send = channel.send.bind(channel);
    const subscribe = channel.subscribe.bind(channel);
    const close = channel.close.bind(channel);
    let open = true;
    channel.send = (datagram) => {
      this.sent += 1;
      this.#check(name, datagram);
      this.onSend(this.sent);
      send(datagram);
      if (!this.#random.chance(this.#strangers)) return;
      const stranger = this.#strange(datagram);
      setImmediate(() => {
        if (!open) return;
        this.strangers += 1;
        for (const listener of listeners) listener.onDatagram(stranger);
      });
    };
    channel.subscribe = (listener) => {
      listeners.add(listener);
      const leave = subscribe(listener);
      return () => {
        listeners.delete(listener);
        leave();
      };
    };
    channel.close = () => {
      if (open) this.channels -= 1;
      open = false;
      return close();
    };
    return channel;
  };

  #check(name, datagram) {
    const command = datagram[10] | (datagram[11] << 8);
    const arg1 = new DataView(datagram.buffer, datagram.byteOffset).getUint32(14, true);
    if (!ONCE[command]?.(arg1)) return;
    const text = `${name} ${Buffer.from(datagram).toString("hex")}`;
    if (this.#seen.has(text)) this.broken.push(`command ${command} (arg1 0x${arg1.toString(16)}) sent again with its sequence number`);
    this.#seen.add(text);
  }

  /** A datagram that is not the answer: too short, another number, another chip, a code that is none, text of a core. */
  #strange(request) {
    const whole = new Uint8Array(14 + this.#random.int(0, 260));
    whole.set([0, 0, 7, 255, 255, request[4] & 31, 0, 0, request[6], request[7], 0x80, 0, request[12], request[13]]);
    const kind = this.#random.int(0, 4);
    if (kind === 0) return whole.subarray(0, this.#random.int(0, 13));
    if (kind === 1) whole[13] ^= 0x80;
    if (kind === 2) whole[5] ^= 1; // another core: whoever asks the root chip by 255,255 knows no place
    if (kind === 3) whole[10] = 3;
    if (kind === 4) whole[5] |= 0x20;
    return whole;
  }
}
