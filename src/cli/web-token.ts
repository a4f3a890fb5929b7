import { chmod, mkdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { homedir } from "node:os";
import { dirname, join } from "node:path";
import { makeToken } from "../web/index.js";
import type { Job } from "./job.js";

/**
 * The key of the page: `SPINN_WEB_TOKEN`, else the one kept for this user, made when there is none: so that pages find back after a restart.
 * Where it cannot be kept, one for this run.
 */
export async function webToken(job: Job): Promise<string> {
  const said = process.env["SPINN_WEB_TOKEN"];
  if (said !== undefined && said !== "") return said;
  const path = join(process.env["XDG_STATE_HOME"] ?? join(homedir(), ".local", "state"), "spinn", "web-token");
  const kept = await keptToken(job, path);
  if (kept !== undefined) return kept;
  const token = makeToken();
  try {
    await mkdir(dirname(path), { recursive: true, mode: 0o700 });
    await writeFile(path, `${token}\n`, { mode: 0o600 });
    await chmod(path, 0o600);
  } catch (error) {
    job.say(
      `WARNING:spinn:the page's key cannot be kept (${(error as Error).message}): pages that are open now lose this server when it restarts`,
    );
  }
  return token;
}

async function keptToken(job: Job, path: string): Promise<string | undefined> {
  try {
    if (((await stat(path)).mode & 0o077) !== 0) {
      job.say(`WARNING:spinn:others could read ${path}: the page gets a new key`);
      await rm(path);
      return undefined;
    }
    const text = (await readFile(path, "utf8")).trim();
    return /^[\w-]{16,200}$/.test(text) ? text : undefined;
  } catch {
    return undefined;
  }
}
