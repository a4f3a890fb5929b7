import { Charts, type Sample } from "./charts.js";
import { ChipView } from "./chip-view.js";
import { byId, make, setAttribute, setText } from "./element.js";
import { Follower, type LinkState } from "./follower.js";
import { MapView } from "./map-view.js";
import { applyChanges, type Change, type PublishedState } from "./mirror.js";
import { startTheme } from "./palette.js";
import { type EventMessage, Raster } from "./raster.js";
import { RunsView } from "./runs-view.js";
import { showSensors } from "./sensors-view.js";

interface Whole {
  readonly about: { readonly server: string; readonly allow: boolean; readonly host: string };
  readonly state: PublishedState;
  readonly samples: readonly Sample[];
}

/** What drawing has cost: read by the benchmark, and by whoever wonders. */
const costs = { frames: 0, scriptMs: 0, worstMs: 0 };
Object.assign(globalThis, { spinnCosts: costs });

const token = takeToken();
const follower = new Follower(token ?? "", { onEvent: receive, onLink: showLink });
const chip = new ChipView(follower);
const map = new MapView((name) => {
  chip.show(name);
  chip.tell(state?.chips[name]);
});
const runs = new RunsView((run, method, args) => {
  follower.call("runs", method, [run, ...args]).catch((error: Error) => notice(error.message, "bad"));
});
const charts = new Charts();
const raster = new Raster();

let state: PublishedState | undefined;
let server: string | undefined;
let noticeTimer: number | undefined;
let lastHeard = new Date();
/** What has changed since the last frame. */
const due = { members: new Set<string>(), chips: new Set<string>() as Set<string> | undefined, events: false };
let isFrameDue = false;
/** Script time of messages since the last frame, ms. */
let messageMs = 0;

startTheme(byId("theme"), () => {
  map.layout();
  charts.draw();
});
window.addEventListener("hashchange", () => location.reload());
if (token === undefined) showLink({ state: "locked", why: "The address has no key in it." });
else void follower.run();

/** The key stands behind # in the address that was printed. It goes into the tab's memory and out of what can be seen and copied by chance. */
function takeToken(): string | undefined {
  const given = location.hash.slice(1);
  if (given === "") return sessionStorage.getItem("token") ?? undefined;
  sessionStorage.setItem("token", given);
  history.replaceState(null, "", location.pathname);
  return given;
}

function receive(event: string, data: unknown): void {
  const began = performance.now();
  lastHeard = new Date();
  if (event === "whole") receiveWhole(data as Whole);
  else if (event === "changes" && state !== undefined) {
    const touched = applyChanges(state, data as readonly Change[]);
    for (const member of touched.members) due.members.add(member);
    if (touched.chips === undefined) due.chips = undefined;
    else for (const name of touched.chips) due.chips?.add(name);
  } else if (event === "sample") {
    charts.add(data as Sample);
    showNetwork();
  } else if (event === "events") {
    raster.add(data as EventMessage);
    due.events = true;
  }
  messageMs += performance.now() - began;
  if (isFrameDue) return;
  isFrameDue = true;
  requestAnimationFrame(frame);
}

function receiveWhole({ about, state: whole, samples }: Whole): void {
  state = whole;
  byId("locked").hidden = true;
  byId("main").hidden = false;
  if (server !== undefined) {
    const words = server === about.server ? "The connection was lost for a while." : "The server was restarted.";
    notice(`${words} Connected again at ${new Date().toLocaleTimeString()}.`, "good");
  }
  server = about.server;
  runs.allow(about.allow);
  charts.replace(samples);
  due.chips = undefined;
  for (const member of Object.keys(whole)) due.members.add(member);
}

function frame(): void {
  const began = performance.now();
  isFrameDue = false;
  const { members, chips } = due;
  if (state !== undefined && members.size > 0) {
    if (members.has("board") || members.has("machine") || members.has("chips")) showBoard(state);
    if (chips === undefined) map.show(state);
    else if (chips.size > 0) map.update([...chips]);
    if (map.chosen !== undefined && (chips === undefined || chips.has(map.chosen))) {
      chip.tell(state.chips[map.chosen]);
      void chip.refresh();
    }
    if (members.has("runs") || members.has("detail")) runs.show(state);
    if (members.has("sensors")) showSensors(state.sensors);
    if (members.has("problems")) showProblems(state.problems);
    if (members.has("network")) showNetwork();
  }
  due.members.clear();
  due.chips = new Set();
  if (due.events) raster.draw();
  due.events = false;
  const ms = performance.now() - began + messageMs;
  messageMs = 0;
  costs.frames += 1;
  costs.scriptMs += ms;
  costs.worstMs = Math.max(costs.worstMs, ms);
}

function showBoard({ board, machine, chips }: PublishedState): void {
  const name = `${board.host}${board.simulation ? " (simulated)" : ""}`;
  setText(byId("board"), name);
  document.title = `${name} · SpiNNaker`;
  setText(byId("board-words"), board.version ?? "has not answered yet");
  const found = Object.values(chips);
  const cores = found.reduce((total, { core_count: count }) => total + count, 0);
  setText(
    byId("machine-words"),
    machine === null
      ? ""
      : `${machine.width} × ${machine.height}, ${found.length.toLocaleString("en")} chips, ${cores.toLocaleString("en")} cores`,
  );
}

function showProblems(problems: readonly string[]): void {
  byId("problems").hidden = problems.length === 0;
  setText(byId("problems-title"), problems.length === 1 ? "One thing is odd" : `${problems.length} things are odd`);
  byId("problem-list").replaceChildren(...problems.slice(0, 200).map((words) => make("li", {}, words)));
}

function showNetwork(): void {
  const network = state?.network;
  const words =
    network === null || network === undefined
      ? "not open: it opens with the first question"
      : `${network["connections"]} open, ${(network["sent"] ?? 0).toLocaleString("en")} sent, ${(network["resent"] ?? 0).toLocaleString("en")} again, ${network["in_flight"]} unanswered`;
  setText(byId("network-words"), words);
}

function showLink(link: LinkState): void {
  setAttribute(byId("link"), "data-state", link.state === "locked" ? "lost" : link.state);
  const words = {
    connecting: "connecting",
    live: "live",
    locked: "no key",
    lost: link.state === "lost" ? `next try in ${link.seconds} s` : "",
  };
  setText(byId("link-words"), words[link.state]);
  if (link.state === "locked") {
    byId("locked").hidden = false;
    byId("main").hidden = true;
    byId("notice").hidden = true;
    setText(byId("locked-words"), link.why);
  } else if (link.state === "lost") {
    const shown = state === undefined ? "" : ` What is shown is from ${lastHeard.toLocaleTimeString()}.`;
    notice(`Connection lost: ${link.why}.${shown}`, "bad", 0);
  }
}

/** Says something on top of the page, for ten seconds or, with 0, until something else is said. */
function notice(words: string, kind: "good" | "bad", ms = 10_000): void {
  const line = byId("notice");
  clearTimeout(noticeTimer);
  setText(line, words);
  setAttribute(line, "data-kind", kind);
  line.hidden = false;
  const hide = (): void => {
    line.hidden = true;
  };
  if (ms > 0) noticeTimer = window.setTimeout(hide, ms);
}
