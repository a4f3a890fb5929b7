import { CoreState, SV } from "../../machine/index.js";
import { EieioType, eieioDataSize, encodeEieioData, type SdpMessage } from "../../wire/index.js";
import type { CoreContext, CoreProgram } from "../core-program.js";
import { injectEvents } from "./event-injector.js";

export interface LiveEventsProgramOptions {
  /** IP tag through which events leave, 0..7. Default 1. */
  readonly tag?: number;
  /** SDP port on which events come in, 1..7. Default 1. */
  readonly sdpPort?: number;
  /** 16 bits in front of keys of 16 bits, as the tool chain configures its injector. Default: none, and such keys go to the upper half. */
  readonly prefix?: number;
  /** Events that the core fires by itself in each step, atom after atom, so that a lost one shows as a gap. Default 0. */
  readonly eventsPerStep?: number;
  /** Atoms that take turns in firing. Default 100. */
  readonly atoms?: number;
  /** Key of the first atom. Default: chip and core in the upper 21 bits, `(x << 24) | (y << 16) | (p << 11)`. */
  readonly firstKey?: number;
  /** Length of a step, ms. Default 1. */
  readonly stepMs?: number;
}

/** Keys in a message of 256 bytes, as the tool chain's gatherer fills them. */
const KEYS_IN_MESSAGE = 64;
/** Steps done in one go before others have their turn. */
const STEPS_AT_ONCE = 20;
/** A process that was asleep does not catch up on more than this, ms. */
const MAX_LAG_MS = 1000;

/**
 * Injector, population and gatherer in one core: what comes in by SDP, by multicast, and what it fires itself goes out through an IP tag as EIEIO,
 * 32 bit keys with the step as time, when a message is full and at the end of each step. Payloads are left out, as in the tool chain's default
 * format. Source: SpiNNFrontEndCommon `live_packet_gather.c`. PAUSE stops its time, CONT lets it go on; user0 counts events in, user1 events out,
 * user2 messages shorter than they say.
 */
export function liveEvents(options: LiveEventsProgramOptions = {}): CoreProgram {
  const { tag = 1, sdpPort = 1, prefix, eventsPerStep = 0, atoms = 100, stepMs = 1 } = options;
  const pending: number[] = [];
  let core: CoreContext | undefined;
  let firstKey = options.firstKey ?? 0;
  let step = 0;
  let owedMs = 0;
  let atom = 0;
  let received = 0;
  let sent = 0;

  const flush = (): void => {
    if (core === undefined || pending.length === 0) return;
    const data = encodeEieioData({ type: EieioType.KEY_32, payloadBase: step, payloadIsTime: true, keys: pending });
    const ethernet = core.memory.readHalf(SV.base + SV.field("eth_addr").offset);
    core.sendSdp({ tag, destPort: 7, destCpu: 31, destX: ethernet >>> 8, destY: ethernet & 0xff, srcPort: 3, data });
    sent += pending.length;
    pending.length = 0;
    core.memory.writeWord(core.vcpu + 116, sent >>> 0);
  };
  const gather = (key: number): void => {
    pending.push(key);
    if (pending.length === KEYS_IN_MESSAGE) flush();
  };
  const take = (count: number): void => {
    received += count;
    core?.memory.writeWord(core.vcpu + 112, received >>> 0);
  };

  return {
    name: "live-events",
    start(context: CoreContext): void {
      core = context;
      firstKey = options.firstKey ?? ((context.x << 24) | (context.y << 16) | (context.p << 11)) >>> 0;
    },
    onSdp(message: SdpMessage): void {
      if (message.destPort !== sdpPort) return;
      if (message.data.length >= eieioDataSize(message.data)) take(injectEvents(message.data, prefix, step, gather));
      else core?.memory.writeWord(core.vcpu + 120, core.memory.readWord(core.vcpu + 120) + 1);
    },
    onMulticast(key: number): void {
      take(1);
      gather(key);
    },
    onTick(elapsedMs: number): boolean {
      if (core?.state !== CoreState.RUN) return false;
      owedMs = Math.min(owedMs + elapsedMs, MAX_LAG_MS);
      for (let i = 0; i < STEPS_AT_ONCE && owedMs >= stepMs; i += 1) {
        for (let event = 0; event < eventsPerStep; event += 1) {
          gather(firstKey + atom);
          atom = (atom + 1) % atoms;
        }
        flush();
        step += 1;
        owedMs -= stepMs;
      }
      return owedMs >= stepMs;
    },
  };
}
