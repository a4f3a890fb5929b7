import { SpinnError } from "../../errors.js";
import { type CallContext, describeTarget, type MethodDescription, type ParameterDescription } from "../rpc/index.js";
import type { IDict } from "./idict.js";

/** How long a pause outlives the connection of the client that asked for it, ms. */
const LEASE_MS = 30_000;

type AnyIDict = Pick<
  IDict<object>,
  "pause" | "release" | "resume" | "step" | "terminate" | "setKnob" | "fetch" | "run" | "state" | "snapshot" | "isFinal"
>;

interface SteeringMethod {
  readonly doc: string;
  readonly args: readonly ParameterDescription[];
  readonly call: (steering: Steering, idict: AnyIDict, context: CallContext, ...args: readonly unknown[]) => unknown;
}

const WHO = { name: "who", type: "str", default: "" };
const KEEP = { name: "keep", type: "bool", default: false };
const UNTIL = { name: "until_disconnect", type: "bool", default: false };
const LEASE_WORDS =
  "The pause ends 30 s after this connection unless keep is true, and with it if until_disconnect is true. Returns at once.";

const METHODS: Readonly<Record<string, SteeringMethod>> = {
  describe: {
    doc: "State, knobs and entries of the computation, and where its state is published.",
    args: [],
    call: (steering, idict) => ({ run: idict.run, entries: Object.keys(idict.snapshot), ...steering.place(idict) }),
  },
  get: {
    doc: "Copies of entries by name, large ones too; all of them without names.",
    args: [{ name: "keys", type: "list", default: null }],
    call: (_, idict, __, keys) => idict.fetch(keys === null ? undefined : textList(keys)),
  },
  pause: {
    doc: `Holds the computation at its next safe point. ${LEASE_WORDS}`,
    args: [WHO, KEEP, UNTIL],
    call: (steering, idict, context, who, keep, until) => {
      idict.pause(nameOf(who, context), steering.hold(idict, context, keep === true, until === true));
    },
  },
  request_stop: {
    doc: "Asks the computation to end at its next safe point. Returns at once; watch run.state.",
    args: [{ name: "reason", type: "str", default: "" }],
    call: (_, idict, context, reason) => {
      idict.terminate(typeof reason === "string" && reason !== "" ? reason : `asked to end by ${context.peer}`);
    },
  },
  resume: {
    doc: "Lets the computation go on, whoever has paused it.",
    args: [],
    call: (_, idict) => idict.resume(),
  },
  seen: {
    doc: "Says that this client has seen update seq: after the final one the server need not wait for it.",
    args: [{ name: "seq", type: "int" }],
    call: (steering, idict, context, seq) => {
      if (idict.isFinal && typeof seq === "number" && seq >= idict.run.seq) steering.onSeen(context);
    },
  },
  set: {
    doc: "Sets a knob; the computation sees it behind its next safe point. ValueError: no such knob, wrong type, out of range.",
    args: [{ name: "key", type: "str" }, { name: "value" }],
    call: (_, idict, __, key, value) => idict.setKnob(String(key), value),
  },
  step: {
    doc: `Passes n safe points, then pauses. ${LEASE_WORDS}`,
    args: [{ name: "n", type: "int", default: 1 }, WHO, KEEP, UNTIL],
    call: (steering, idict, context, n, who, keep, until) => {
      const holder = steering.holderOf(context);
      idict.step(Number(n), nameOf(who, context), holder);
      steering.hold(idict, context, keep === true, until === true);
    },
  },
};

/** Methods that leave a computation as it is. */
const LOOKS: ReadonlySet<string> = new Set(["describe", "get", "seen"]);

/** Lets remote clients steer computations, and takes back what clients that are gone have paused. Nothing here blocks. */
export class Steering {
  readonly #leaseMs: number;
  readonly #carry: (error: unknown) => unknown;
  readonly #onlyLook: boolean;
  /** Per connection, what it holds and how; connections are bounded by the server. */
  readonly #holds = new Map<AbortSignal, { readonly holder: string; readonly held: Map<AnyIDict, "lease" | "until" | "keep"> }>();
  readonly #timers = new Set<NodeJS.Timeout>();
  readonly #held = new Map<AnyIDict, Set<string>>();
  /** Told of clients that have seen the end. */
  onSeen: (context: CallContext) => void = () => {};
  /** Where a computation's state is published. */
  place: (idict: AnyIDict) => Readonly<Record<string, unknown>> = () => ({});
  #count = 0;

  /**
   * `leaseMs`: how long a pause outlives its connection, default 30 000; `carry`: what callers get for what a method throws, default the same;
   * `onlyLook`: offer no method that steers, default false.
   */
  constructor(
    options: {
      readonly leaseMs?: number | undefined;
      readonly carry?: ((error: unknown) => unknown) | undefined;
      readonly onlyLook?: boolean | undefined;
    } = {},
  ) {
    this.#onlyLook = options.onlyLook ?? false;
    this.#leaseMs = options.leaseMs ?? LEASE_MS;
    this.#carry = options.carry ?? ((error) => error);
  }

  /** The target whose methods steer `find(...)`; with `named`, the first parameter of each names the computation. */
  target(
    find: (name: unknown) => AnyIDict,
    named?: ParameterDescription,
    more: readonly (readonly [string, MethodDescription, (...args: never[]) => unknown])[] = [],
  ): object {
    const target: Record<string, unknown> = Object.create(null) as Record<string, unknown>;
    const methods: Record<string, MethodDescription> = {};
    for (const [name, { doc, args, call }] of Object.entries(METHODS)) {
      if (this.#onlyLook && !LOOKS.has(name)) continue;
      target[name] = async (context: CallContext, ...rest: unknown[]) => {
        try {
          const idict = find(named === undefined ? undefined : rest[0]);
          return await call(this, idict, context, ...(named === undefined ? rest : rest.slice(1)));
        } catch (error) {
          throw this.#carry(error);
        }
      };
      methods[name] = { doc, args: named === undefined ? args : [named, ...args], passContext: true };
    }
    for (const [name, description, call] of more) {
      target[name] = async (...args: never[]) => {
        try {
          return await call(...args);
        } catch (error) {
          throw this.#carry(error);
        }
      };
      methods[name] = description;
    }
    return describeTarget(target, { doc: "Watches and steers running computations.", methods });
  }

  holderOf(context: CallContext): string {
    let own = this.#holds.get(context.signal);
    if (own === undefined) {
      own = { holder: `rpc ${++this.#count}`, held: new Map() };
      this.#holds.set(context.signal, own);
      context.signal.addEventListener("abort", () => this.#onGone(context.signal), { once: true });
    }
    return own.holder;
  }

  /** Notes that a connection holds a computation; returns the name of the hold. */
  hold(idict: AnyIDict, context: CallContext, keep: boolean, until: boolean): string {
    const holder = this.holderOf(context);
    this.#holds.get(context.signal)!.held.set(idict, keep ? "keep" : until ? "until" : "lease");
    const holders = this.#held.get(idict) ?? new Set();
    this.#held.set(idict, holders.add(holder));
    return holder;
  }

  /** Lets go of everything: when nobody can reach the computations any more, nobody could resume them. */
  close(): void {
    for (const timer of this.#timers) clearTimeout(timer);
    for (const [idict, holders] of this.#held) for (const holder of holders) idict.release(holder);
    this.#timers.clear();
    this.#held.clear();
  }

  /** Forgets a computation that has ended. */
  forget(idict: AnyIDict): void {
    this.#held.delete(idict);
    for (const { held } of this.#holds.values()) held.delete(idict);
  }

  #onGone(signal: AbortSignal): void {
    const own = this.#holds.get(signal);
    this.#holds.delete(signal);
    for (const [idict, kind] of own?.held ?? []) {
      const letGo = (): void => {
        this.#held.get(idict)?.delete(own!.holder);
        idict.release(own!.holder);
      };
      if (kind === "until") letGo();
      if (kind !== "lease") continue;
      const timer = setTimeout(() => {
        this.#timers.delete(timer);
        letGo();
      }, this.#leaseMs);
      this.#timers.add(timer);
    }
  }
}

function nameOf(who: unknown, context: CallContext): string {
  return typeof who === "string" && who !== "" ? who : context.peer;
}

function textList(value: unknown): string[] {
  if (Array.isArray(value) && value.every((one) => typeof one === "string")) return value as string[];
  throw new SpinnError("ERR_SPINN_ARGUMENT", "keys must be a list of names");
}
