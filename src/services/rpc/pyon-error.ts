import { SpinnError } from "../../errors.js";

/** Steps from the outermost value to the one in trouble: keys and indices. */
export type ValuePath = readonly (string | number)[];

/** `value.args[0]["a b"]` */
function pathText(path: ValuePath): string {
  const shown = path.length > 24 ? path.slice(0, 24) : path;
  let text = "value";
  for (const step of shown) {
    if (typeof step === "number") text += `[${step}]`;
    else text += /^[A-Za-z_]\w{0,60}$/.test(step) ? `.${step}` : `[${JSON.stringify(step.slice(0, 60))}]`;
  }
  return shown.length < path.length ? `${text} ... (${path.length} levels)` : text;
}

/** A value that cannot be written. */
export function unwritable(reason: string, path: ValuePath): SpinnError {
  return new SpinnError("ERR_SPINN_ARGUMENT", `${pathText(path)} ${reason}`);
}

/** A text that is not PYON. `at` counts characters from 0. */
export function unreadable(reason: string, at: number, path: ValuePath, text: string): SpinnError {
  const near = JSON.stringify(text.slice(Math.max(0, at - 10), at + 20));
  return new SpinnError("ERR_SPINN_PROTOCOL", `not PYON at character ${at} (${pathText(path)}), near ${near}: ${reason}`);
}
