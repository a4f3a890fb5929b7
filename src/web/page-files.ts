import { readFileSync } from "node:fs";
import { posix } from "node:path";
import { SpinnError } from "../errors.js";

/** A file of the page, ready to be sent. */
export interface PageFile {
  readonly type: string;
  readonly bytes: Buffer;
}

const FIRST = ["page/index.html", "page/style.css", "page/icon.svg", "page/main.js"];
const TYPES: Readonly<Record<string, string>> = {
  ".html": "text/html; charset=utf-8",
  ".css": "text/css; charset=utf-8",
  ".svg": "image/svg+xml",
  ".js": "text/javascript; charset=utf-8",
};

/**
 * Every file of the page by its address: the document, and the modules that its script imports, found by following the imports. Nothing else of
 * the folder can be asked for. Throws `ERR_SPINN_FILE` when the page has not been built.
 */
export function readPage(root: URL): ReadonlyMap<string, PageFile> {
  const files = new Map<string, PageFile>();
  const waiting = [...FIRST];
  for (let path = waiting.pop(); path !== undefined; path = waiting.pop()) {
    if (files.has(`/${path}`)) continue;
    const bytes = read(root, path);
    files.set(`/${path}`, { type: TYPES[posix.extname(path)]!, bytes });
    if (!path.endsWith(".js")) continue;
    for (const [, target] of bytes.toString("utf8").matchAll(/\bfrom "(\.[^"]+\.js)"/g)) {
      waiting.push(posix.join(posix.dirname(path), target!));
    }
  }
  return files.set("/", files.get("/page/index.html")!);
}

function read(root: URL, path: string): Buffer {
  try {
    return readFileSync(new URL(path, root));
  } catch (cause) {
    throw new SpinnError("ERR_SPINN_FILE", `the page has no file ${path}: ${(cause as Error).message}`, {
      hint: "the page is built with the project: npm run build",
      cause,
    });
  }
}
