import type { ChipKind } from "../machine/chip-kind.js";

/** The colours of the style sheet, for canvases. */
export interface Palette {
  readonly fill: Readonly<Record<ChipKind, string>>;
  /** What is drawn on a hexagon of that colour. */
  readonly on: Readonly<Record<ChipKind, string>>;
  readonly card: string;
  readonly ink: string;
  readonly faint: string;
  readonly line: string;
  readonly accent: string;
  readonly outline: string;
  readonly dead: string;
}

export function readPalette(): Palette {
  const style = getComputedStyle(document.documentElement);
  const get = (name: string): string => style.getPropertyValue(`--${name}`).trim();
  const [free, running, waiting, finished, crashed, dead] = ["free", "running", "waiting", "finished", "crashed", "dead"].map(get) as [
    string,
    string,
    string,
    string,
    string,
    string,
  ];
  return {
    fill: { free, running, waiting, finished, crashed, dead },
    on: {
      free: get("on-free"),
      running: get("on-running"),
      waiting: get("on-waiting"),
      finished: get("on-finished"),
      crashed: get("on-crashed"),
      dead,
    },
    card: get("card"),
    ink: get("ink"),
    faint: get("faint"),
    line: get("line"),
    accent: get("accent"),
    outline: get("outline"),
    dead,
  };
}

/** Dark or light, as the system has it until somebody has chosen. */
export function startTheme(button: HTMLElement, onChange: () => void): void {
  const system = matchMedia("(prefers-color-scheme: light)");
  const apply = (): void => {
    document.documentElement.dataset["theme"] = localStorage.getItem("theme") ?? (system.matches ? "light" : "dark");
    onChange();
  };
  button.addEventListener("click", () => {
    localStorage.setItem("theme", document.documentElement.dataset["theme"] === "light" ? "dark" : "light");
    apply();
  });
  system.addEventListener("change", apply);
  apply();
}
