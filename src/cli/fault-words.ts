import { nearestWord } from "./nearest.js";
import { usage } from "./usage.js";

type Members = Record<string, unknown>;

/** Members that are lists of places: each word adds one. */
const LISTS = ["crashedCores", "dead.chips", "dead.cores", "dead.links"];
const PATH = ["loss", "loseEvery", "duplicate", "reorder", "delayMs", "jitterMs", "corrupt", "truncate"];
const OWN = ["foreign", "transientTags", "rebootAfter", "bmpDelayMs"];
const NUMBERS = [...OWN, ...["toBoard", "toHost"].flatMap((way) => PATH.map((member) => `${way}.${member}`))];

/**
 * Faults from the words of a command line, on top of `start`: names (`lossy`), and members as `toHost.loss=0.1`, `crashedCores=1,0,2`,
 * `dead.links=0,0:east`, `codes=P2P_BUSY:0.1`. Later words win. Throws `ERR_SPINN_ARGUMENT`; what a member may be, the machine checks.
 */
export function parseFaultWords(words: readonly string[], presets: Readonly<Record<string, unknown>>, start: Members = {}): Members {
  const faults = structuredClone(start);
  for (const word of words) {
    const at = word.indexOf("=");
    if (at >= 0) setMember(faults, word.slice(0, at), word.slice(at + 1));
    else if (Object.hasOwn(presets, word)) merge(faults, presets[word] as Members);
    else {
      const near = nearestWord(word, Object.keys(presets));
      throw usage(
        `there are no faults called "${word}"`,
        near === undefined ? `there are ${Object.keys(presets).join(" ")}; or write MEMBER=VALUE, or a file` : `did you mean ${near}?`,
      );
    }
  }
  return faults;
}

/** As words that {@link parseFaultWords} takes. */
export function faultWords(members: Members, prefix = ""): string[] {
  return Object.entries(members).flatMap(([name, value]) => {
    const full = `${prefix}${name}`;
    if (Array.isArray(value)) return value.map((entry) => `${full}=${typeof entry === "string" ? entry : codeText(entry as Members)}`);
    if (typeof value === "object" && value !== null) return faultWords(value as Members, `${full}.`);
    return [`${full}=${String(value)}`];
  });
}

function codeText({ code, probability, commands }: Members): string {
  const only = Array.isArray(commands) ? `:${commands.join("+")}` : "";
  return `${String(code)}:${String(probability)}${only}`;
}

function setMember(faults: Members, name: string, text: string): void {
  if (LISTS.includes(name)) append(faults, name, text);
  else if (name === "codes") append(faults, name, parseCode(text));
  else if (NUMBERS.includes(name)) set(faults, name, parseValue(name, text));
  else {
    const known = [...NUMBERS, ...LISTS, "codes"];
    const near = PATH.includes(name) ? `toBoard.${name} or toHost.${name}` : nearestWord(name, known);
    const members = `toBoard. and toHost. with ${PATH.join(" ")}; ${[...LISTS, "codes", ...OWN].join(" ")}`;
    throw usage(`faults have no member "${name}"`, near === undefined ? `they have ${members}` : `did you mean ${near}?`);
  }
}

function parseCode(text: string): Members {
  const [code = "", probability, commands, ...rest] = text.split(":");
  if (probability === undefined || rest.length > 0)
    throw usage(`codes: "${text}" is no code with its probability`, "write e.g. P2P_BUSY:0.1");
  return {
    code: /^\d/.test(code) ? Number(code) : code,
    probability: parseValue("codes", probability),
    ...(commands === undefined ? {} : { commands: commands.split("+").map(Number) }),
  };
}

function parseValue(name: string, text: string): number {
  const value = text.trim() === "" ? Number.NaN : Number(text);
  if (Number.isFinite(value)) return value;
  throw usage(`${name}: "${text}" is no number`);
}

function append(faults: Members, name: string, value: unknown): void {
  const [holder, last] = holderOf(faults, name);
  const list = holder[last];
  holder[last] = [...(Array.isArray(list) ? list : []), value];
}

function set(faults: Members, name: string, value: unknown): void {
  const [holder, last] = holderOf(faults, name);
  holder[last] = value;
}

/** `name` is one of the known members, with one dot at most. */
function holderOf(faults: Members, name: string): [Members, string] {
  const [first, second] = name.split(".") as [string, string?];
  if (second === undefined) return [faults, first];
  faults[first] ??= {};
  return [faults[first] as Members, second];
}

function merge(faults: Members, more: Members): void {
  for (const [name, value] of Object.entries(more)) {
    const old = faults[name];
    if (Array.isArray(value)) faults[name] = [...(Array.isArray(old) ? old : []), ...value];
    else if (typeof value === "object" && value !== null) faults[name] = { ...(old as Members | undefined), ...value };
    else faults[name] = value;
  }
}
