import type { Measurement } from "../transceiver/index.js";

/** One bar: a label, its length as a share of the longest, and what it says. */
interface Bar {
  readonly label: string;
  readonly value: number;
  readonly words: string;
}

/** `0.18 ms` with two significant digits: classes of a histogram are a factor of 1.4 apart. */
export function milliseconds(ms: number): string {
  return `${ms < 10 ? ms.toPrecision(2) : ms.toFixed(0)} ms`;
}

/** Latency as a histogram and throughput by window, as SVG: two groups of bars, every bar with its figure, nothing told by colour alone. */
export function measurementChart({ board, latency, throughput }: Measurement): string {
  const groups: readonly { readonly title: string; readonly bars: readonly Bar[] }[] = [
    {
      title: `${latency.count} single reads of 256 bytes: median ${milliseconds(latency.medianMs)}, 99 % within ${milliseconds(latency.p99Ms)}`,
      bars: latency.histogram.map(({ toMs, count }) => ({ label: `to ${milliseconds(toMs)}`, value: count, words: String(count) })),
    },
    {
      title: "throughput by window (requests that may be unanswered)",
      bars: throughput.map(({ window, bytesPerSecond, resent }) => ({
        label: `window ${window}`,
        value: bytesPerSecond,
        words: `${((bytesPerSecond * 8) / 1e6).toFixed(1)} Mbit/s${resent > 0 ? `, ${resent} repeated` : ""}`,
      })),
    },
  ];
  const lines: string[] = [];
  let y = 28;
  lines.push(`<text x="12" y="${y}" font-size="15">${inText(board)}</text>`);
  for (const { title, bars } of groups) {
    y += 32;
    lines.push(`<text x="12" y="${y}" font-weight="bold">${inText(title)}</text>`);
    y += 10;
    const most = Math.max(1e-9, ...bars.map(({ value }) => value));
    for (const { label, value, words } of bars) {
      const width = ((420 * value) / most).toFixed(1);
      lines.push(`<text x="104" y="${y + 13}" text-anchor="end">${inText(label)}</text>`);
      lines.push(`<rect x="112" y="${y}" width="${width}" height="17" fill="#4a8fc7"/>`);
      lines.push(`<text x="${(118 + Number(width)).toFixed(1)}" y="${y + 13}">${inText(words)}</text>`);
      y += 21;
    }
  }
  return `<svg xmlns="http://www.w3.org/2000/svg" width="700" height="${y + 14}" font-family="sans-serif" font-size="12">
<rect width="100%" height="100%" fill="#ffffff"/>
${lines.join("\n")}
</svg>
`;
}

function inText(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;");
}
