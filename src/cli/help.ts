import { Command, Option } from "commander";
import type { Verb, VerbTable } from "./job.js";
import { STATUS_WORDS } from "./status.js";
import type { ColourChoice, OutputStream } from "./terminal.js";

/** Options that every verb takes. */
export interface GlobalOptions {
  readonly json?: boolean;
  readonly ndjson?: boolean;
  readonly quiet?: boolean;
  readonly verbose?: boolean;
  readonly debug?: boolean;
  /** `false` after `--no-progress`. */
  readonly progress?: boolean;
  readonly color?: ColourChoice;
}

/** The command of one verb, with the options that every verb has, and its whole help. */
export function verbCommand(name: string, purpose: string, verb: Verb, stdout: OutputStream = process.stdout): Command {
  const command = new Command(`spinn ${name}`)
    .description(purpose)
    .exitOverride()
    .configureOutput({ writeOut: (text) => void stdout.write(text), writeErr: () => {}, outputError: () => {} });
  const helpWidth = Math.min(stdout.columns || 100, 120);
  command.configureHelp({
    helpWidth,
    optionDescription: (option) => option.description,
    formatHelp: (self, helper) => `${helper.constructor.prototype.formatHelp.call(helper, self, helper)}${verbHelp(verb)}`,
  });
  verb.configure(command);
  return addGlobalOptions(command);
}

function addGlobalOptions(command: Command): Command {
  return command
    .option("--json", "one JSON object on stdout, nothing else")
    .option("--ndjson", "for what goes on: one JSON object per line, as it happens")
    .option("-q, --quiet", "only data and errors")
    .option("-v, --verbose", "also transport counters, on stderr")
    .option("--no-progress", "no progress line")
    .addOption(
      new Option("--color <when>", "auto, always or never (default: auto; NO_COLOR is honoured)").choices(["auto", "always", "never"]),
    )
    .option("--debug", "show the stack of an error")
    .helpOption("-h, --help", "show this help");
}

/** Statuses that any verb can end with. */
const ALWAYS = [0, 2, 70, 130];

/** Examples and exit statuses, behind a verb's options. */
function verbHelp(verb: Verb): string {
  const examples = verb.examples.map((line) => {
    const [command, words] = line.split(" # ");
    return `  spinn ${command}${words === undefined ? "" : `\n      ${words}`}`;
  });
  const statuses = [...new Set([...ALWAYS, ...verb.statuses])].sort((a, b) => a - b);
  const words = statuses.map((status) => `  ${String(status).padStart(3)}  ${STATUS_WORDS[status as keyof typeof STATUS_WORDS]}`);
  return `\nExamples:\n${examples.join("\n")}\n\nExit status:\n${words.join("\n")}`;
}

/** `spinn --help`: from the table of verbs alone, no verb is loaded. */
export function programHelp(verbs: VerbTable): string {
  const groups = new Map<string, string[]>();
  const width = Math.max(...Object.keys(verbs).map((name) => name.length));
  for (const [name, { group, purpose }] of Object.entries(verbs)) {
    const lines = groups.get(group) ?? [];
    lines.push(`  ${name.padEnd(width)}  ${purpose}`);
    groups.set(group, lines);
  }
  const list = [...groups].map(([group, lines]) => `${group}:\n${lines.join("\n")}\n`).join("\n");
  return `spinn: talk to SpiNNaker boards\n\nUsage: spinn VERB [arguments] [options]\n\n${list}
Board:  --host HOST, or SPINN_HOST, or the inventory
Output: --json for programs, -q for less, -v for more; data on stdout, talk on stderr
Help:   spinn VERB --help says what a verb takes, with examples and exit statuses
`;
}
