import { execFileSync } from "node:child_process";
import { fileURLToPath } from "node:url";

/** Builds `dist` once before any test, when a source has changed: the end-to-end tests run what users run. */
export function setup(): void {
  execFileSync(process.execPath, [fileURLToPath(new URL("../../tools/setup.mjs", import.meta.url)), "--quiet"], { stdio: "inherit" });
}
