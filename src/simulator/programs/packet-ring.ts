import type { CoreContext, CoreProgram } from "../core-program.js";

/**
 * Passes a multicast packet on: what arrives with some key leaves as `key + 1` with its payload one higher, until the payload reaches
 * `hops`. Signal USR0 lets a core send the first one, with the key in its user2. user0 counts the packets of the core, user1 is its last payload.
 */
export function packetRing(hops = 128): CoreProgram {
  let core: CoreContext | undefined;
  let count = 0;
  return {
    name: "packet-ring",
    start(context: CoreContext): void {
      core = context;
    },
    onSignal(signal): void {
      if (signal === 10 && core !== undefined) core.sendMulticast(core.memory.readWord(core.vcpu + 120), 1);
    },
    onMulticast(key, payload = 0): void {
      if (core === undefined) return;
      count += 1;
      core.memory.writeWord(core.vcpu + 112, count);
      core.memory.writeWord(core.vcpu + 116, payload);
      if (payload < hops) core.sendMulticast(key + 1, payload + 1);
    },
  };
}
