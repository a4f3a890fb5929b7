import { byId, make, setAttribute, setText } from "./element.js";
import type { PublishedState } from "./mirror.js";

/** Steers a run: the method of the controller's target `runs`, and its arguments behind the run. */
export type Steer = (run: string, method: string, args: readonly unknown[]) => void;

interface Line {
  readonly element: HTMLLIElement;
  readonly name: HTMLElement;
  readonly state: HTMLElement;
  readonly words: HTMLElement;
  readonly bar: HTMLProgressElement;
  readonly buttons: Readonly<Record<"pause" | "resume" | "step" | "request_stop", HTMLButtonElement>>;
}

const ENDED: ReadonlySet<string> = new Set(["done", "failed", "aborted"]);
const SIGNS: Readonly<Record<string, string>> = {
  queued: "… queued",
  running: "▶ running",
  paused: "❚❚ paused",
  stopping: "◼ stopping",
  done: "✓ done",
  failed: "✕ failed",
  aborted: "✕ aborted",
};

/** The runs, newest first; a line is made once and changed where it has to be. */
export class RunsView {
  readonly #list = byId("runs");
  readonly #lines = new Map<string, Line>();
  readonly #steer: Steer;
  #isAllowed = false;

  constructor(steer: Steer) {
    this.#steer = steer;
  }

  /** Whether buttons do anything here. */
  allow(isAllowed: boolean): void {
    this.#isAllowed = isAllowed;
    byId("runs-words").title = isAllowed ? "" : "this page may look, not act: spinn serve --web-allow lets it";
  }

  show(state: PublishedState): void {
    for (const [id, line] of this.#lines) {
      if (Object.hasOwn(state.runs, id)) continue;
      line.element.remove();
      this.#lines.delete(id);
    }
    const ids = Object.keys(state.runs).sort((a, b) => Number(a) - Number(b));
    for (const id of ids) this.#showOne(id, state);
    const open = ids.filter((id) => !ENDED.has(state.runs[id]!.state)).length;
    const words = ids.length === 0 ? "nothing has been run" : `${open} under way or waiting, ${ids.length - open} ended`;
    setText(byId("runs-words"), this.#isAllowed ? words : `${words}; look only`);
  }

  #showOne(id: string, { runs, detail }: PublishedState): void {
    const run = runs[id]!;
    const more = detail[id];
    const line = this.#lines.get(id) ?? this.#add(id);
    const hasEnded = ENDED.has(run.state);
    const holders = more?.run.paused_by ?? [];
    setText(line.name, `${id}  ${run.method}`);
    setText(line.state, run.state === "running" && holders.length > 0 ? "▶ pausing" : (SIGNS[run.state] ?? run.state));
    setAttribute(line.state, "data-state", run.state);
    const error = more?.values.error ?? null;
    const { progress, step } = run;
    const parts = [
      ...(error === null ? [] : [error.message]),
      ...(step === null ? [] : [/^\d/.test(step) ? `step ${step}` : step]),
      ...(progress === null || hasEnded
        ? []
        : [`${progress.what}: ${amount(progress.done)} of ${amount(progress.total)} ${progress.unit}`]),
      ...(holders.length === 0 ? [] : [`paused by ${holders.join(", ")}`]),
      ...(more?.run.stop_reason == null ? [] : [`stop: ${more.run.stop_reason}`]),
    ];
    setText(line.words, parts.join(" · "));
    line.words.hidden = parts.length === 0;
    line.words.toggleAttribute("data-bad", error !== null);
    line.bar.hidden = hasEnded || progress === null;
    if (progress !== null) {
      line.bar.max = Math.max(1, progress.total);
      line.bar.value = progress.done;
    }
    const { pause, resume, step: one, request_stop: stop } = line.buttons;
    pause.hidden = hasEnded || holders.length > 0;
    resume.hidden = hasEnded || holders.length === 0;
    one.hidden = resume.hidden;
    stop.hidden = hasEnded;
    stop.disabled = !this.#isAllowed || run.state === "stopping";
    for (const button of [pause, resume, one]) button.disabled = !this.#isAllowed;
    stop.parentElement!.hidden = hasEnded;
  }

  #add(id: string): Line {
    const button = (method: string, words: string, args: readonly unknown[]): HTMLButtonElement => {
      const made = make("button", { type: "button", "aria-label": `${words} run ${id}` }, words);
      made.addEventListener("click", () => this.#steer(id, method, args));
      return made;
    };
    const buttons = {
      pause: button("pause", "Pause", ["page"]),
      resume: button("resume", "Resume", []),
      step: button("step", "Step", [1, "page"]),
      request_stop: button("request_stop", "Stop", ["stopped from the page"]),
    };
    const name = make("b");
    const state = make("span", { class: "state" });
    const words = make("p", { class: "run-words" });
    const bar = make("progress", { "aria-label": `progress of run ${id}` });
    const tools = make("div", { class: "run-tools" }, ...Object.values(buttons));
    const element = make("li", { "data-run": id }, make("div", { class: "run-head" }, name, state), words, bar, tools);
    this.#list.prepend(element);
    const line = { element, name, state, words, bar, buttons };
    this.#lines.set(id, line);
    return line;
  }
}

function amount(value: number): string {
  return Number.isInteger(value) ? value.toLocaleString("en") : value.toFixed(1);
}
