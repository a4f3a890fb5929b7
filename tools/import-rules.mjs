// Holds the imports of src/ against the table of rooms: who may import whom. Run by `npm run lint`; prints every break, exits 1 on any.
import { readdirSync, readFileSync } from "node:fs";
import { dirname, join, posix, relative } from "node:path";
import { fileURLToPath } from "node:url";

const src = join(dirname(fileURLToPath(import.meta.url)), "..", "src");

// room -> rooms it may import; `room/` in front of `index.ts` only ("public page") is written with a star behind: `transceiver*`.
const MAY = {
  errors: [],
  wire: ["errors"],
  machine: ["errors"],
  connections: ["errors", "wire"],
  commands: ["errors", "wire", "machine"],
  transceiver: ["errors", "wire", "machine", "connections*", "commands*"],
  bringup: ["errors", "machine*", "transceiver*"],
  simulator: ["errors", "wire", "machine", "emulator*"],
  emulator: ["errors", "machine"],
  controller: [
    "errors",
    "wire*",
    "machine*",
    "connections*",
    "transceiver*",
    "bringup*",
    "services/inspect*",
    "services/rpc*",
    "services/publish*",
  ],
  engine: ["errors", "machine*", "transceiver*", "controller*", "services/cluster*"],
  "services/stream": ["errors", "wire*"],
  "services/rpc": ["errors"],
  "services/publish": ["errors", "services/rpc*"],
  "services/inspect": ["errors", "services/rpc*", "services/publish*"],
  "services/cluster": ["errors"],
  "services/allocation": ["errors"],
  page: ["errors", "machine"],
  web: ["errors", "machine*", "controller*", "services/inspect*", "services/publish*"],
  index: ["errors", "machine*", "transceiver*"],
  cli: [
    "errors",
    "index",
    "wire*",
    "machine*",
    "connections*",
    "transceiver*",
    "bringup*",
    "simulator*",
    "emulator*",
    "controller*",
    "web*",
    "engine*",
  ].concat(["stream", "rpc", "publish", "inspect", "cluster", "allocation"].map((name) => `services/${name}*`)),
};
// Node modules with a price: only these rooms may use them. Rooms that must stay browser-safe get no node: module at all.
const NODE_ONLY = {
  "node:dgram": ["connections", "simulator"],
  "node:vm": [],
  "node:worker_threads": ["services/rpc", "services/allocation", "connections"],
};
const BROWSER_SAFE = ["errors", "wire", "machine", "commands", "page"];

const roomOf = (file) => {
  const parts = file.split("/");
  if (parts.length === 1) return file.replace(/\.ts$/, "");
  return parts[0] === "services" ? `${parts[0]}/${parts[1]}` : parts[0];
};

const breaks = [];
let files = 0;
let imports = 0;
for (const entry of readdirSync(src, { recursive: true, withFileTypes: true })) {
  if (!entry.isFile() || !entry.name.endsWith(".ts")) continue;
  files += 1;
  const file = relative(src, join(entry.parentPath, entry.name)).replaceAll("\\", "/");
  const room = roomOf(file);
  const may = MAY[room];
  if (may === undefined) {
    breaks.push(`${file}: room "${room}" is not in the table`);
    continue;
  }
  const text = readFileSync(join(src, file), "utf8");
  for (const match of text.matchAll(
    /(?:^|\n)\s*(?:import|export)\b[^;'"]*?\bfrom\s*["']([^"']+)["']|\bimport\(\s*["']([^"']+)["']\s*\)|(?:^|\n)import\s+["']([^"']+)["']/g,
  )) {
    const target = match[1] ?? match[2] ?? match[3];
    imports += 1;
    if (target.startsWith("node:")) {
      if (BROWSER_SAFE.includes(room)) breaks.push(`${file}: ${room} must stay browser-safe but imports ${target}`);
      if (NODE_ONLY[target] && !NODE_ONLY[target].includes(room)) breaks.push(`${file}: ${room} must not import ${target}`);
      continue;
    }
    if (!target.startsWith(".")) {
      if (["wire", "machine", "commands", "errors", "page", "simulator", "emulator"].includes(room))
        breaks.push(`${file}: ${room} takes no package, but imports ${target}`);
      continue;
    }
    const resolved = posix.normalize(posix.join(posix.dirname(file), target)).replace(/\.js$/, ".ts");
    const other = roomOf(resolved);
    if (other === room) continue;
    const publicPage = resolved === `${other}/index.ts` || resolved === `${other}.ts`;
    if (may.includes(other) || (publicPage && may.includes(`${other}*`))) continue;
    breaks.push(`${file}: ${room} must not import ${resolved}${may.includes(`${other}*`) ? " (only the public page of that room)" : ""}`);
  }
}
for (const line of breaks) console.error(line);
console.log(`import rules: ${files} files, ${imports} imports, ${breaks.length} breaks`);
process.exit(breaks.length === 0 ? 0 : 1);
