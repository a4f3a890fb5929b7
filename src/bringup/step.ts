import type { CoreCoordinates } from "../machine/index.js";
import type { Progress } from "../transceiver/index.js";
import type { BoardAccess } from "./board-access.js";
import type { Fields, Inputs, Values } from "./kind.js";
import type { CoreSelection, InputFile } from "./values.js";

/** What a step has to say for the report: plain data. */
export type Seen = Readonly<Record<string, unknown>>;

/** How a file that a step reads is looked at before the run. */
export type FileUse = { readonly file: InputFile; readonly as: "application" | "boot image" | "routes" | "data" };

/** What a step works with. */
export interface StepContext {
  readonly access: BoardAccess;
  /** Fires when the run is to end. Every wait of a step takes it. */
  readonly signal: AbortSignal;
  /** The application id of the script, for steps that name none. */
  readonly appId: number;
  /** An earlier run has begun this step and not finished it: parts of it may be done. */
  readonly again: boolean;
  /** Progress inside the step. */
  readonly onProgress: (progress: Progress) => void;
  /** A file as it was when the script was checked. */
  file(file: InputFile): Uint8Array;
  /** Writes a file of the output folder, whole or not at all; resolves with its path. */
  output(name: string, bytes: Uint8Array): Promise<string>;
}

/** Whom a step talks to; a run without that address is refused before it begins. */
export type StepNeed = "board" | "bmp";

/** One kind of step: its fields, its rules, its words and its work. */
export interface StepKind<F extends Fields> {
  /** One line for documentation and schema. */
  readonly about: string;
  readonly fields: F;
  /** The field that may be written alone. */
  readonly main?: keyof F & string;
  needs(values: Values<F>): readonly StepNeed[];
  /** Rules between fields: what is wrong, if anything. */
  check?(values: Values<F>): string | undefined;
  files?(values: Values<F>): readonly FileUse[];
  /** `load hello.aplx`: what the step does, for progress and errors. */
  describe(values: Values<F>): string;
  run(values: Values<F>, context: StepContext): Promise<Seen>;
}

/** Only helps the compiler to see the fields. */
export function stepKind<const F extends Fields>(kind: StepKind<F>): StepKind<F> {
  return kind;
}

/** What may be written behind the name of a step: its fields, its main field alone, or nothing if none is required. */
export type StepInput<K> = K extends StepKind<infer F> ? Inputs<F> | MainInput<K, F> : never;

type MainInput<K, F extends Fields> = K extends { readonly main?: infer M } ? (M extends keyof Inputs<F> ? Inputs<F>[M] : never) : never;

/** The cores of a selection on the machine as discovered: `all` are all application cores. */
export async function selectCores(
  selection: CoreSelection,
  { access, signal, onProgress }: StepContext,
): Promise<readonly CoreCoordinates[]> {
  if (selection !== "all") return selection;
  const { machine } = await (await access.machine()).discover({ signal, onProgress });
  return [...machine.chips.values()].flatMap(({ x, y, coreCount }) =>
    Array.from({ length: coreCount - 1 }, (_, i) => ({ x, y, p: i + 1 })),
  );
}

/** `0,0,1`, or `17 cores`. */
export function coresWords(selection: CoreSelection): string {
  if (selection === "all") return "all cores";
  const [first] = selection;
  return selection.length === 1 && first !== undefined ? `core ${first.x},${first.y},${first.p}` : `${selection.length} cores`;
}
