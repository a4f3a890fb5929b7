import type { Command } from "commander";
import type { Job } from "./job.js";

/** The option of every verb that changes something. */
export function addDryRun(command: Command): Command {
  return command.option("-n, --dry-run", "say what would be done, and send nothing that changes anything");
}

/** With `--dry-run`: tells what would be done. The caller goes home then. */
export function isDryRun(job: Job, command: Command, would: string): boolean {
  if (command.opts<{ dryRun?: boolean }>().dryRun !== true) return false;
  job.result({ verb: job.verb, would }, () => `would ${would}; nothing was sent\n`, "dry-run");
  return true;
}
