import { ACCESS, type Access } from "../controller/index.js";
import { usage } from "./usage.js";

/** What callers may do, of `--allow`. Throws `ERR_SPINN_ARGUMENT`. */
export function parseAccess(text: string): Access {
  const found = ACCESS.find((one) => one === text);
  if (found === undefined) throw usage(`--allow: "${text}" is none of ${ACCESS.join(", ")}`);
  return found;
}
