import { decodeEieioData, EieioType, isEieioCommand } from "../../wire/index.js";

/**
 * The events that the tool chain's injector core makes of one message from the host. It reads some messages differently from everybody else:
 * 16 bit keys without prefix of their own go to the upper half, a base without payloads is ignored, and times are compared with `step`.
 * Source: SpiNNFrontEndCommon `reverse_iptag_multicast_source.c`. Messages for a later step, and those that wait in its buffers
 * (HOST_SEND_SEQUENCED_DATA), are not taken.
 *
 * @param prefix 16 bits that the injector was configured to put in the upper half of keys, or `undefined`
 * @param step present step of the simulation
 * @returns how many events were sent; 0 for commands, empty, late and early messages
 * @throws `ERR_SPINN_PROTOCOL` for a message shorter than its header says
 */
export function injectEvents(
  message: Uint8Array,
  prefix: number | undefined,
  step: number,
  send: (key: number, payload: number | undefined) => void,
): number {
  if (message.length < 2 || isEieioCommand(message)) return 0;
  const { type, keys, payloads, payloadBase, payloadIsTime, ...own } = decodeEieioData(message);
  if (payloadIsTime && payloads !== undefined && (payloadBase ?? 0) !== step) return 0;
  const narrow = type < EieioType.KEY_32;
  const ownPrefix = own.prefix === undefined ? undefined : own.prefixUpper ? own.prefix << 16 : own.prefix;
  const shift = narrow && (own.prefix === undefined ? prefix === undefined : !own.prefixUpper) ? 16 : 0;
  const high = ownPrefix ?? (prefix ?? 0) << 16;
  for (let i = 0; i < keys.length; i += 1) {
    const payload = payloads === undefined || payloadIsTime ? undefined : (payloads[i]! | (payloadBase ?? 0)) >>> 0;
    send(((keys[i]! << shift) | high) >>> 0, payload);
  }
  return keys.length;
}
