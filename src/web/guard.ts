import { createHash, randomBytes, timingSafeEqual } from "node:crypto";
import type { IncomingMessage } from "node:http";
import { isIP } from "node:net";

/** A new key for a page: 128 random bits as 22 characters that a URL takes as they are. */
export function makeToken(): string {
  return randomBytes(16).toString("base64url");
}

const digest = (text: string): Buffer => createHash("sha256").update(text).digest();

/** Compares in a time that says nothing about how much of it was right. */
export function isToken(expected: string, given: string): boolean {
  return timingSafeEqual(digest(expected), digest(given));
}

/** The token of `Authorization: Bearer TOKEN`. It is in no address, so that no log holds it. */
export function tokenOf(request: IncomingMessage): string | undefined {
  return /^Bearer ([\w-]{1,200})$/.exec(request.headers.authorization ?? "")?.[1];
}

/**
 * Why a request is refused before anything else is looked at, or `undefined`: it names a host that is not this one (a name that was bound anew,
 * "DNS rebinding", always shows here), or it comes from a page of another origin.
 *
 * `names`: what this computer may be called besides localhost and addresses.
 */
export function refusal(request: IncomingMessage, names: ReadonlySet<string>): string | undefined {
  const { host, origin } = request.headers;
  const name = hostName(host);
  if (name === undefined) return "the request names no host";
  if (isIP(name) === 0 && name !== "localhost" && !names.has(name)) return "the request is for a host of another name";
  if (origin !== undefined && origin !== `http://${host}`) return "the request comes from another origin";
  const site = request.headers["sec-fetch-site"];
  if (site === undefined || site === "same-origin" || site === "none") return undefined;
  // A link on another page may open ours: what it opens has no data in it.
  const isLink = request.method === "GET" && request.headers["sec-fetch-mode"] === "navigate" && request.url === "/";
  return isLink && request.headers["sec-fetch-dest"] === "document" ? undefined : "the request comes from another site";
}

/** The name in a Host header, without port and brackets, in lower case. */
function hostName(host: string | undefined): string | undefined {
  const match = /^(?:\[([0-9a-f:.]+)\]|([\w.-]+))(?::\d{1,5})?$/i.exec(host ?? "");
  return (match?.[1] ?? match?.[2])?.toLowerCase();
}

/** For every answer: nothing from elsewhere runs, loads or frames it, and no cache keeps it. */
export const SAFE_HEADERS: Readonly<Record<string, string>> = {
  "content-security-policy":
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
  "x-content-type-options": "nosniff",
  "referrer-policy": "no-referrer",
  "cross-origin-opener-policy": "same-origin",
  "cross-origin-resource-policy": "same-origin",
  "cache-control": "no-store",
};
