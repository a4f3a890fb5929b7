// What the live page costs a browser: 24 boards, 10 updates a second, of some chips and of all 1,152. Script time per frame, from the page's own
// count and from the browser's. Needs chromium.
//   npm run bench:page
import { existsSync } from "node:fs";
import { chromium } from "playwright-core";
import { Controller } from "../../dist/controller/index.js";
import { MachineGeometry } from "../../dist/machine/index.js";
import { serveWeb } from "../../dist/web/index.js";

const SECONDS = 4;
const UPDATES_A_SECOND = 10;
/** A frame at 60 a second, ms. */
const ALLOWED_MS = 16;

const executablePath = [process.env["SPINN_BROWSER"], "/usr/bin/chromium", "/usr/bin/google-chrome"].find(
  (path) => path && existsSync(path),
);
if (executablePath === undefined) {
  console.log("no browser here: apt-get install chromium");
  process.exit(0);
}

const geometry = MachineGeometry.triads(4, 2);
const names = [...geometry.chips()].map(({ x, y }) => `${x},${y}`);
const controller = new Controller({ host: "127.91.0.1" });
const { notifier } = controller;
notifier.setItem("chips", Object.fromEntries(names.map((name) => [name, chip(0)])));
notifier.setItem("machine", { width: geometry.width, height: geometry.height, root: "0,0" });
const web = await serveWeb(controller, { port: 0, pollMs: 3_600_000 });
const browser = await chromium.launch({ executablePath, args: ["--no-sandbox"] });
try {
  for (const [what, viewport, zoom, share] of [
    ["1 chip in 10, fitted", { width: 1920, height: 1080 }, 0, 0.1],
    ["all chips, fitted", { width: 1920, height: 1080 }, 0, 1],
    ["all chips, each core drawn", { width: 1920, height: 1080 }, 4, 1],
    ["all chips, phone", { width: 390, height: 844 }, 0, 1],
  ]) {
    console.log(`${what.padEnd(28)} ${await measure(viewport, zoom, share)}`);
  }
} finally {
  await browser.close();
  await web.close();
  await controller.close();
}

async function measure(viewport, zoom, share) {
  const page = await browser.newPage({ viewport });
  await page.goto(web.url);
  await page.locator('#legend [data-kind="free"]').waitFor();
  for (let i = 0; i < zoom; i += 1) await page.locator("#zoom-in").click();
  const session = await page.context().newCDPSession(page);
  await session.send("Performance.enable");
  const scriptMs = async () => {
    const { metrics } = await session.send("Performance.getMetrics");
    return 1000 * metrics.find(({ name }) => name === "ScriptDuration").value;
  };
  await update(1, share);
  await page.evaluate("Object.assign(spinnCosts, { frames: 0, scriptMs: 0, worstMs: 0 })");
  const before = await scriptMs();
  await update(SECONDS, share);
  const costs = await page.evaluate("({ ...spinnCosts })");
  const counted = (await scriptMs()) - before;
  await page.close();
  const verdict = costs.worstMs < ALLOWED_MS ? "" : `   MORE than ${ALLOWED_MS} ms`;
  const mean = (costs.scriptMs / costs.frames).toFixed(1);
  return `${costs.frames} frames, script ${mean} ms each, ${costs.worstMs.toFixed(1)} at most; by the browser's count ${(counted / costs.frames).toFixed(1)}${verdict}`;
}

async function update(seconds, share) {
  const chips = notifier.at("chips");
  for (let tick = 0; tick < seconds * UPDATES_A_SECOND; tick += 1) {
    const next = new Promise((resolve) => setTimeout(resolve, 1000 / UPDATES_A_SECOND));
    for (const name of names) if (Math.random() < share) chips.setItem(name, chip(Math.floor(Math.random() * 6)));
    await next;
  }
}

/** A chip whose cores are in one of some mixtures of states. */
function chip(kind) {
  const state = [15, 7, 5, 11, 2, 7][kind];
  const states = Array.from({ length: 18 }, (_, p) => (p === 0 ? 7 : p <= 1 + 3 * kind ? state : 15));
  return { core_count: 18, core_states: states, links: 63, ethernet: null, largest_sdram_block: 119275492, free_router_entries: 1023 };
}
