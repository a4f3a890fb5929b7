// Structured mutations of good bytes. Each input has a generator of its own, seeded by run, door and number: any one can be made again alone.

/** Numbers from [0, 1), 32 bits of state (Mulberry32). */
export function randomOf(seed, text, index) {
  let state = (seed ^ Math.imul(index + 1, 0x9e3779b1)) >>> 0;
  for (let i = 0; i < text.length; i += 1) state = Math.imul(state ^ text.charCodeAt(i), 0x01000193) >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
  };
}

const HUGE = [0, 1, 0x7f, 0x80, 0xff, 0x7fff, 0x8000, 0xffff, 0x7fffffff, 0x80000000, 0xfffffffe, 0xffffffff];
const WORDS = [
  "-1",
  "1e999",
  "9".repeat(400),
  "4294967296",
  "9007199254740993",
  "null",
  "NaN",
  '"__proto__"',
  '"constructor"',
  "[".repeat(300),
  "{".repeat(300),
  '"\\ud800"',
  "\\",
  "\0",
  "\u2028",
  "&a [*a,*a]",
  "../../../etc/passwd",
];

const KINDS = {
  truncate: (bytes, pick) => bytes.subarray(0, pick(bytes.length + 1)),
  behead: (bytes, pick) => bytes.subarray(pick(bytes.length + 1)),
  flip(bytes, pick) {
    const out = Buffer.from(bytes);
    for (let left = 1 + pick(8); left > 0 && out.length > 0; left -= 1) out[pick(out.length)] ^= 1 << pick(8);
    return out;
  },
  /** A number of 1, 2, 4 or 8 bytes at the edge of what it can be, in either order: lengths, counts, offsets. */
  field(bytes, pick) {
    const out = Buffer.from(bytes);
    const size = [1, 2, 4, 8][pick(4)];
    if (out.length < size) return out;
    const field = Buffer.alloc(8, pick(2) * 0xff);
    field.writeUInt32LE(HUGE[pick(HUGE.length)], 0);
    const part = field.subarray(0, size);
    if (pick(2) === 1) part.reverse();
    out.set(part, pick(out.length - size + 1));
    return out;
  },
  splice(bytes, pick, other) {
    const [from, to] = [pick(bytes.length + 1), pick(other.length + 1)];
    return Buffer.concat([bytes.subarray(0, from), other.subarray(to)]);
  },
  repeat(bytes, pick) {
    const at = pick(bytes.length + 1);
    const part = bytes.subarray(at, at + 1 + pick(64));
    return Buffer.concat([bytes.subarray(0, at), ...new Array(1 + pick(32)).fill(part), bytes.subarray(at)]);
  },
  insert(bytes, pick) {
    const at = pick(bytes.length + 1);
    return Buffer.concat([bytes.subarray(0, at), Buffer.from(Array.from({ length: 1 + pick(16) }, () => pick(256))), bytes.subarray(at)]);
  },
  /** Where a text has a word or a number, another one. */
  word(bytes, pick) {
    const text = bytes.toString("latin1");
    const words = [...text.slice(0, 20_000).matchAll(/-?\d+(?:\.\d+)?|"[^"\n]{0,80}"|\b\w+\b/g)];
    const chosen = words[pick(words.length)];
    if (chosen === undefined) return KINDS.insert(bytes, pick);
    const more = Buffer.from(WORDS[pick(WORDS.length)]).toString("latin1");
    return Buffer.from(text.slice(0, chosen.index) + more + text.slice(chosen.index + chosen[0].length), "latin1");
  },
  noise: (_bytes, pick) => Buffer.from(Array.from({ length: pick(300) }, () => pick(256))),
};
const NAMES = Object.keys(KINDS);
/** Repeats of repeats grow: longer ones are cut. */
const MOST_BYTES = 256 * 1024;

/** One to three mutations of one of `goldens`. */
export function mutated(goldens, random) {
  const pick = (below) => Math.floor(random() * below);
  let bytes = goldens[pick(goldens.length)];
  for (let left = 1 + pick(3); left > 0; left -= 1) bytes = KINDS[NAMES[pick(NAMES.length)]](bytes, pick, goldens[pick(goldens.length)]);
  return bytes.length > MOST_BYTES ? bytes.subarray(0, MOST_BYTES) : bytes;
}
