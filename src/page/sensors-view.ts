import { byId, make, setText } from "./element.js";
import type { PublishedState } from "./mirror.js";

/** Temperatures, fans and warnings of each board, as its management processor tells them. */
export function showSensors(sensors: PublishedState["sensors"]): void {
  const slots = Object.keys(sensors).sort((a, b) => Number(a) - Number(b));
  byId("sensors").hidden = slots.length === 0;
  const celsius = (value: unknown): string => (typeof value === "number" ? `${value.toFixed(1)} °C` : "–");
  const lines = slots.map((slot) => {
    const own = sensors[slot];
    if (own === null || own === undefined) return make("div", { class: "sensor", "data-alarm": "" }, `board ${slot} does not answer`);
    const alarms = Number(own["warnings"] ?? 0) | Number(own["shutdowns"] ?? 0);
    const fans = (Array.isArray(own["fans"]) ? own["fans"] : []).filter((fan) => typeof fan === "number" && fan > 0);
    const words = [
      `bottom ${celsius(own["temperature_bottom"])}`,
      ...(fans.length === 0 ? [] : [`fans ${fans.join(", ")} rpm`]),
      ...(alarms === 0 ? [] : ["⚠ warning"]),
    ];
    return make(
      "div",
      { class: "sensor", ...(alarms === 0 ? {} : { "data-alarm": "" }) },
      make("span", { class: "faint" }, `board ${slot} `),
      make("b", {}, celsius(own["temperature_top"])),
      make("div", { class: "faint" }, words.join(" · ")),
    );
  });
  byId("sensor-list").replaceChildren(...lines);
  const tops = slots.map((slot) => sensors[slot]?.["temperature_top"]).filter((value) => typeof value === "number");
  setText(byId("sensors-words"), tops.length === 0 ? "" : `hottest ${Math.max(...tops).toFixed(1)} °C`);
}
