import type { VersionInfo } from "../transceiver/index.js";

/** `4.0.0`, or `3.4.1-dev` with what stood behind the dash. */
export function versionText(info: Pick<VersionInfo, "version">): string {
  const { major, minor, patch, label } = info.version;
  return `${major}.${minor}.${patch}${label === undefined ? "" : `-${label}`}`;
}
