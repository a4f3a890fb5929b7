import { SpinnError } from "../../errors.js";

export interface ServerVersion {
  /** As the server wrote it. */
  readonly text: string;
  readonly major: number;
  readonly minor: number;
  readonly patch: number;
  /**
   * `java`: the classic door of the newer service, which always calls itself 5.0.0 (no Python release had that number). It counts links in
   * another order, answers with an exception where the others answer null, and writes a time where they write the keepalive.
   */
  readonly dialect: "python" | "java";
}

/** Reads a version text, with an epoch in front (`1!7.1.0`, releases 6.0.0 and later) or without. Throws `ERR_SPINN_PROTOCOL`. */
export function parseServerVersion(text: string): ServerVersion {
  const match = /^(?:\d{1,6}!)?(\d{1,6})\.(\d{1,6})(?:\.(\d{1,6}))?/.exec(text);
  if (match === null) {
    throw new SpinnError("ERR_SPINN_PROTOCOL", `the server calls itself version ${JSON.stringify(text.slice(0, 40))}, which is no version`);
  }
  const [major, minor, patch] = [Number(match[1]), Number(match[2]), Number(match[3] ?? 0)];
  return { text, major, minor, patch, dialect: major === 5 && minor === 0 && patch === 0 ? "java" : "python" };
}

/** Throws `ERR_SPINN_WRONG_DEVICE` for servers older than 0.1.0 or newer than the 7.x that this client was checked against. */
export function checkServerVersion(version: ServerVersion): ServerVersion {
  const { major, minor } = version;
  if ((major > 0 || minor >= 1) && major < 8) return version;
  throw new SpinnError("ERR_SPINN_WRONG_DEVICE", `a spalloc server of version ${version.text}; this client knows 0.1.0 to 7.x`, {
    hint: "newer services also speak the web protocol: give the server as https://host/spalloc/",
  });
}
