// The faults a schedule is made of, one by one, so that a failing schedule can be shrunk fault by fault.
//
// `mild`: every operation must still succeed, with every byte right.
// `wild`: replies say what no board has said (SCP has no check sum of its own): operations may fail, but only in documented ways.
const DRAWS = {
  loss: (random) => ({ way: random.pick(["toBoard", "toHost"]), value: random.pick([0.02, 0.05, 0.1]) }),
  "lose-every": (random) => ({ way: random.pick(["toBoard", "toHost"]), value: random.int(5, 20) }),
  duplicate: (random) => ({ way: random.pick(["toBoard", "toHost"]), value: random.pick([0.05, 0.2]) }),
  reorder: (random) => ({ way: random.pick(["toBoard", "toHost"]), value: random.pick([0.05, 0.2]) }),
  delay: (random) => ({ way: random.pick(["toBoard", "toHost"]), value: random.int(1, 4) }),
  jitter: (random) => ({ way: random.pick(["toBoard", "toHost"]), value: random.int(1, 8) }),
  busy: (random) => ({ code: random.pick(["P2P_BUSY", "TIMEOUT", "BUF", "PKT_TX"]), value: random.pick([0.03, 0.1]) }),
  // Not 1: a caller who insists on a window of 8 then uses up the retries now and then, and has asked for it.
  cramped: (random) => ({ value: random.int(2, 6) }),
  stranger: (random) => ({ value: random.pick([0.05, 0.2]) }),
  corrupt: (random) => ({ value: random.pick([0.02, 0.1]) }),
  truncate: (random) => ({ value: random.pick([0.02, 0.1]) }),
  foreign: (random) => ({ value: random.pick([0.05, 0.2]) }),
};
const WILD = new Set(["corrupt", "truncate", "foreign"]);
const PATH = {
  loss: "loss",
  "lose-every": "loseEvery",
  duplicate: "duplicate",
  reorder: "reorder",
  delay: "delayMs",
  jitter: "jitterMs",
};

/** Up to `most` different faults. */
export function drawFaults(random, most) {
  return random.some(Object.keys(DRAWS), random.int(0, most)).map((kind) => ({ kind, ...DRAWS[kind](random) }));
}

export const isWild = (faults) => faults.some(({ kind }) => WILD.has(kind));

/** Whether the network makes a board execute things twice: no host can help that. */
export const doublesRequests = (faults) => faults.some(({ kind, way }) => kind === "duplicate" && way === "toBoard");

/**
 * Whether a repeat may come to the board after its request was answered, and after a later one: a tag that was cleared is set again, a block that
 * was freed taken again. SC&MP knows no sequence numbers, so what is given back is not compared then.
 */
export const delaysRequests = (faults) =>
  faults.some(({ kind, way }) => way === "toBoard" && (kind === "jitter" || kind === "reorder" || kind === "delay"));

/** The faults as the simulated machine takes them. */
export function machineFaults(faults) {
  const all = { toBoard: {}, toHost: {}, codes: [] };
  for (const { kind, way, value, code } of faults) {
    if (kind in PATH) all[way][PATH[kind]] = value;
    else if (kind === "busy") all.codes.push({ code, probability: value });
    else if (kind === "cramped") all.transientTags = value;
    else if (kind === "foreign") all.foreign = value;
    else if (kind !== "stranger") all.toHost[kind] = value;
  }
  return all;
}
