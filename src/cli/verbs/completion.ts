import type { Option } from "commander";
import { verbCommand } from "../help.js";
import type { Verb } from "../job.js";
import { TOPICS } from "../topics.js";
import { usage } from "../usage.js";

/** What a shell can offer behind one verb. */
interface Words {
  readonly verb: string;
  readonly purpose: string;
  readonly options: readonly Option[];
  /** Words that are no file names: actions, topics. */
  readonly operands: readonly string[];
}

/** Slots of a frame, and all of them: what a verb that takes slots is offered. */
const SLOTS = ["0-23", ...Array.from({ length: 24 }, (_, slot) => String(slot))];

const OPERANDS: Readonly<Record<string, readonly string[]>> = {
  power: ["on", "off", "cycle", "status", ...SLOTS],
  reset: SLOTS,
  sensors: SLOTS,
  bmp: ["info", "fpga", "leds", "flash", ...SLOTS],
  heap: ["sdram", "sysram", "system"],
  tags: ["list", "set", "reverse", "clear"],
  signal: ["start", "stop", "pause", "cont", "sync0", "sync1", "timer", "exit", "usr0", "usr1", "usr2", "usr3"],
  wait: ["RUN", "EXIT", "SYNC0", "SYNC1", "PAUSE", "WAIT", "IDLE"],
  stream: ["imd", "events"],
  completion: ["bash", "zsh", "fish"],
  help: Object.keys(TOPICS),
};

export const verb: Verb = {
  configure: (command) => void command.argument("<shell>", "bash, zsh or fish"),
  examples: [
    "completion bash > ~/.local/share/bash-completion/completions/spinn",
    "completion zsh > ~/.zfunc/_spinn",
    "completion fish > ~/.config/fish/completions/spinn.fish",
  ],
  statuses: [],
  async run(job, command) {
    const make = { bash, zsh, fish }[command.args[0]!];
    if (make === undefined) throw usage(`"${command.args[0]}" is no known shell`, "shells are bash, zsh and fish");
    const words: Words[] = [];
    for (const [name, entry] of Object.entries(job.verbs)) {
      const { options } = verbCommand(name, entry.purpose, (await entry.load()).verb);
      words.push({ verb: name, purpose: entry.purpose, options, operands: OPERANDS[name] ?? [] });
    }
    const script = make(words);
    job.result({ shell: command.args[0], script }, () => script);
  },
};

const longs = (words: Words): string[] => words.options.map((option) => option.long).filter((long) => long !== undefined);

/** Words are fixed when the script is made: pressing Tab asks no board and starts no program. */
function bash(all: readonly Words[]): string {
  const cases = all.map((words) => `    ${words.verb}) words="${[...words.operands, ...longs(words)].join(" ")}" ;;`);
  return `# bash completion of spinn; made by: spinn completion bash
_spinn() {
  local current="\${COMP_WORDS[COMP_CWORD]}" words=""
  if [ "$COMP_CWORD" -eq 1 ]; then
    COMPREPLY=($(compgen -W "${all.map(({ verb: name }) => name).join(" ")} --help --version" -- "$current"))
    return
  fi
  case "\${COMP_WORDS[1]}" in
${cases.join("\n")}
  esac
  COMPREPLY=($(compgen -W "$words" -- "$current"))
  case "$current" in
    -*) ;;
    *) COMPREPLY+=($(compgen -f -- "$current")) ;;
  esac
}
complete -o filenames -F _spinn spinn
`;
}

function zsh(all: readonly Words[]): string {
  const quote = (text: string): string => text.replaceAll("'", "").replaceAll(":", "\\:").replaceAll("[", "(").replaceAll("]", ")");
  const verbs = all.map(({ verb: name, purpose }) => `    '${name}:${quote(purpose)}'`);
  const cases = all.map((words) => {
    const options = words.options
      .filter((option) => option.long !== undefined)
      .map((option) => `'${option.long}[${quote(option.description)}]${option.required ? ":value:_files" : ""}'`);
    const operands = words.operands.length === 0 ? "'*:file:_files'" : `'*:word:(${words.operands.join(" ")})'`;
    return `    ${words.verb}) _arguments ${[...options, operands].join(" ")} ;;`;
  });
  return `#compdef spinn
# zsh completion of spinn; made by: spinn completion zsh
_spinn() {
  local -a verbs
  verbs=(
${verbs.join("\n")}
  )
  if (( CURRENT == 2 )); then
    _describe 'verb' verbs
    return
  fi
  local verb="\${words[2]}"
  shift words
  (( CURRENT-- ))
  case "$verb" in
${cases.join("\n")}
  esac
}
compdef _spinn spinn
`;
}

function fish(all: readonly Words[]): string {
  const quote = (text: string): string => text.replaceAll("\\", "\\\\").replaceAll("'", "\\'");
  const lines = ["# fish completion of spinn; made by: spinn completion fish"];
  for (const { verb: name, purpose, options, operands } of all) {
    lines.push(`complete -c spinn -n __fish_use_subcommand -f -a ${name} -d '${quote(purpose)}'`);
    const when = `-n '__fish_seen_subcommand_from ${name}'`;
    if (operands.length > 0) lines.push(`complete -c spinn ${when} -f -a '${operands.join(" ")}'`);
    for (const option of options) {
      if (option.long === undefined) continue;
      const short = option.short === undefined ? "" : ` -s ${option.short.slice(1)}`;
      lines.push(
        `complete -c spinn ${when} -l ${option.long.slice(2)}${short}${option.required ? " -r" : ""} -d '${quote(option.description)}'`,
      );
    }
  }
  return `${lines.join("\n")}\n`;
}
