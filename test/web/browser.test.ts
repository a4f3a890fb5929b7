import { existsSync, mkdirSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { type Browser, chromium, type Locator, type Page } from "playwright-core";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { armProgram } from "../../src/emulator/index.js";
import { openBench, servePage, TOKEN } from "./bench.js";

/** A browser of the system; playwright-core brings none. */
const BROWSER = [process.env["SPINN_BROWSER"], "/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"].find(
  (path) => path !== undefined && path !== "" && existsSync(path),
);
if (BROWSER === undefined) console.warn("no browser here (apt-get install chromium): the page's tests in a browser are left out");

/** Where pictures of the page go, to be looked at; without it none are taken. */
const PICTURES = process.env["SPINN_PICTURES"];

let browser: Browser;
const closers: (() => Promise<void>)[] = [];

beforeAll(async () => {
  if (BROWSER === undefined) return;
  if (PICTURES !== undefined) mkdirSync(PICTURES, { recursive: true });
  browser = await chromium.launch({ executablePath: BROWSER, args: ["--no-sandbox", "--disable-dev-shm-usage"] });
}, 60_000);
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});
afterAll(async () => browser?.close());

interface Opened {
  readonly page: Page;
  /** What the page has complained of, wherever. */
  readonly troubles: string[];
}

async function visit(url: string, options: Parameters<Browser["newContext"]>[0] = {}): Promise<Opened> {
  const context = await browser.newContext({ viewport: { width: 1400, height: 900 }, ...options });
  closers.push(() => context.close());
  const page = await context.newPage();
  const troubles: string[] = [];
  page.on("pageerror", (error) => troubles.push(error.message));
  page.on("console", (message) => {
    if (message.type() === "error") troubles.push(message.text());
  });
  page.on("request", (request) => {
    if (!request.url().startsWith(new URL(url).origin)) troubles.push(`asked for ${request.url()}`);
  });
  await page.goto(url);
  return { page, troubles };
}

/** What is to be read there, as it is shown. */
// biome-ignore lint/performance/useDomNodeTextContent: what is hidden, or set in capitals, counts as it looks
const shown = (place: Locator): Promise<string> => place.innerText();
const text = (page: Page, selector: string): Promise<string> => shown(page.locator(selector));
const count =
  (page: Page, kind: string): (() => Promise<string>) =>
  () =>
    text(page, `#legend [data-kind="${kind}"] b`);
const patient = { timeout: 15_000 };

async function picture(page: Page, name: string): Promise<void> {
  if (PICTURES !== undefined) await page.screenshot({ path: `${PICTURES}/${name}.png`, fullPage: true });
}

const application = (name: string): Promise<Uint8Array> => readFile(new URL(`../../fixtures/apps/${name}.aplx`, import.meta.url));

describe.skipIf(BROWSER === undefined)("the page in a browser", () => {
  it("follows a load and a crash, and shows what a chip's cores say", async () => {
    await using bench = await openBench("127.90.1.1", { programs: armProgram() });
    const { page, troubles } = await visit(bench.web.url);
    await expect.poll(count(page, "free"), patient).toBe("4");
    expect(await text(page, "#link")).toBe("live");
    expect(new URL(page.url()).hash).toBe("");
    expect(await page.title()).toContain("127.90.1.1");
    await bench.controller.call("load", { image: await application("hello"), cores: ["0,0,1-4", "1,1,2"], app_id: 30 });
    await expect.poll(count(page, "finished"), patient).toBe("2");
    await expect.poll(() => text(page, '#runs [data-run="1"]'), patient).toMatch(/1\s+load\s+✓ done/);
    await page.locator("#map").focus();
    await page.keyboard.press("Home");
    await expect.poll(() => text(page, "#chip-title")).toBe("Chip 0,0");
    await expect.poll(() => text(page, "#chip-body"), patient).toMatch(/EXIT\s+30\s+hello[\s\S]*TEXT OF CORE 0,0,1\s+\S/i);
    await page.keyboard.press("ArrowRight");
    expect(await text(page, "#chip-words")).toBe("chip 1,0: 18 cores, 17 free");
    await bench.controller.call("load", { image: await application("faulty"), cores: ["1,0,1-3"], app_id: 31 });
    await expect.poll(count(page, "crashed"), patient).toBe("1");
    await expect.poll(() => text(page, '#runs [data-run="2"]'), patient).toMatch(/✕ failed\s+3 of 3 cores crashed/);
    await page.keyboard.press("c");
    await expect.poll(() => text(page, "#chip-body"), patient).toMatch(/RTE: DABT/);
    expect(await text(page, "#chip-words")).toBe("chip 1,0: 18 cores, 3 crashed");
    await picture(page, "4-chips");
    expect(troubles).toEqual([]);
  });

  it("pauses, steps, resumes and stops a run, with the keyboard alone", async () => {
    await using bench = await openBench("127.90.2.1", {}, { allowActions: true });
    let steps = 0;
    const run = bench.controller.start("soak", async (own) => {
      for (;;) {
        await own.safePoint();
        steps += 1;
        own.onStep(`round ${steps}`);
        own.onProgress({ what: "rounds", done: steps % 100, total: 100, unit: "entries" });
        await new Promise((resolve) => setTimeout(resolve, 5));
      }
    });
    const { page, troubles } = await visit(bench.web.url, { colorScheme: "light" });
    const line = page.locator('#runs [data-run="1"]');
    const press = async (words: string): Promise<void> => {
      await line.getByRole("button", { name: `${words} run 1` }).focus();
      await page.keyboard.press("Enter");
    };
    await press("Pause");
    await expect.poll(() => shown(line), patient).toMatch(/❚❚ paused[\s\S]*paused by page/);
    expect(run.state).toBe("paused");
    await picture(page, "paused");
    const before = steps;
    await press("Step");
    await expect.poll(() => steps).toBe(before + 1);
    await press("Resume");
    await expect.poll(() => steps, patient).toBeGreaterThan(before + 5);
    await press("Stop");
    await run.ended;
    await expect.poll(() => shown(line), patient).toMatch(/✕ aborted/);
    expect(await line.getByRole("button").count()).toBe(0);
    expect(troubles).toEqual([]);
  });

  it("that may only look has no button that acts", async () => {
    await using bench = await openBench("127.90.3.1");
    const run = bench.controller.start(
      "soak",
      (own) => new Promise((resolve) => own.signal.addEventListener("abort", () => resolve(null))),
    );
    const { page } = await visit(bench.web.url);
    await expect.poll(() => text(page, "#runs-words"), patient).toContain("look only");
    for (const button of await page.locator("#runs button:visible").all()) expect(await button.isDisabled()).toBe(true);
    run.idict.terminate();
  });

  it("finds the server again after a restart, says so, and goes on", async () => {
    await using bench = await openBench("127.90.4.1");
    const { page, troubles } = await visit(bench.web.url);
    await expect.poll(count(page, "free"), patient).toBe("4");
    const { port } = bench.web;
    await bench.web.close();
    await expect.poll(() => text(page, "#notice"), patient).toMatch(/^Connection lost: .* What is shown is from \d/);
    expect(await count(page, "free")()).toBe("4");
    await using _ = await servePage(bench.controller, { port });
    await expect.poll(() => text(page, "#notice"), patient).toMatch(/^The server was restarted\. Connected again at/);
    expect(await text(page, "#link")).toBe("live");
    bench.controller.notifier.setItem("problems", ["something new"]);
    await expect.poll(() => text(page, "#problems-title"), patient).toBe("One thing is odd");
    await page.reload();
    await expect.poll(count(page, "free"), patient).toBe("4");
    // The lost connection is told of by the browser; nothing else is.
    expect(troubles.filter((words) => !words.startsWith("Failed to load resource"))).toEqual([]);
  });

  it.each(["#a-wrong-token-for-tests", ""])("with a wrong key or none says so, and shows nothing: %j", async (hash) => {
    await using bench = await openBench("127.90.5.1");
    const { page } = await visit(`http://127.0.0.1:${bench.web.port}/${hash}`);
    await expect.poll(() => page.locator("#locked").isVisible(), patient).toBe(true);
    expect(await text(page, "#locked")).toMatch(/lacks the right key[\s\S]*spinn serve --web/);
    expect(await page.locator("#main").isVisible()).toBe(false);
    expect(await text(page, "#link")).toBe("no key");
    await picture(page, "locked");
    await page.goto(bench.web.url);
    await expect.poll(count(page, "free"), patient).toBe("4");
  });

  it("shows nothing to a page of another site, whatever it tries", async () => {
    await using bench = await openBench("127.90.6.1", {}, { allowActions: true });
    const run = bench.controller.start(
      "soak",
      (own) => new Promise((resolve) => own.signal.addEventListener("abort", () => resolve(null))),
    );
    const { page } = await visit(`http://localhost:${bench.web.port}/`);
    // The same server by another name is another origin to the browser.
    const tried = await page.evaluate(
      async ([origin, token]) => {
        const headers = { authorization: `Bearer ${token}`, "x-spinn-page": "evil-page", "content-type": "application/json" };
        const body = JSON.stringify({ target: "runs", method: "request_stop", args: ["1"] });
        const ways: RequestInit[] = [{ headers, method: "POST", body }, { method: "POST", body, mode: "no-cors" }, { mode: "no-cors" }];
        return Promise.all(
          ways.map((way, i) =>
            fetch(`${origin}/${i === 2 ? "events" : "call"}`, way).then(
              (response) => response.type,
              () => "refused",
            ),
          ),
        );
      },
      [`http://127.0.0.1:${bench.web.port}`, TOKEN] as const,
    );
    expect(tried).toEqual(["refused", "refused", "refused"]);
    expect(run.signal.aborted).toBe(false);
    run.idict.terminate();
  });

  it("shows live events as they come", async () => {
    await using bench = await openBench("127.90.7.1");
    const { page, troubles } = await visit(bench.web.url);
    await expect.poll(count(page, "free"), patient).toBe("4");
    await bench.web.showEvents(
      "tag 1",
      (async function* () {
        for (let i = 0; i < 50; i += 1) {
          const keys = Uint32Array.from({ length: 20 }, (_, atom) => 0x800 + ((atom * 5 + i) % 100));
          yield { count: 20, keys, receivedAtMs: Date.now() };
          await new Promise((resolve) => setTimeout(resolve, 10));
        }
      })(),
    );
    await expect.poll(() => text(page, "#events-words"), patient).toMatch(/^(tag 1|stream): 1,000 events, .*100 keys/);
    const inked = await page.evaluate<boolean>(`(() => {
      const canvas = document.querySelector("#raster");
      return canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data.some((value) => value > 200);
    })()`);
    expect(inked).toBe(true);
    expect(troubles).toEqual([]);
  });

  it.each([
    ["48-chips", "spin5", { width: 1600, height: 1000 }, "dark"],
    ["48-chips-phone", "spin5", { width: 390, height: 844 }, "light"],
  ] as const)("fits its window: %s", async (name, board, viewport, colorScheme) => {
    const dead = { chips: [{ x: 3, y: 3 }], links: [{ x: 1, y: 2, link: 0 as const }] };
    await using bench = await openBench("127.90.8.1", { board, dead, programs: armProgram() });
    const { page, troubles } = await visit(bench.web.url, { viewport, colorScheme });
    await expect.poll(count(page, "dead"), patient).toBe("1");
    await expect.poll(() => text(page, "#sensor-list"), patient).toContain("°C");
    await page.locator("#map").focus();
    await page.keyboard.press("Home");
    await page.keyboard.press("ArrowRight");
    expect(await page.evaluate<boolean>("document.documentElement.scrollWidth <= window.innerWidth")).toBe(true);
    expect(await text(page, "#chip-words")).toMatch(/^chip \d,\d/);
    await picture(page, name);
    expect(troubles).toEqual([]);
  });
});
