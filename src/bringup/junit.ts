import type { FleetBoardReport, FleetReport } from "./fleet-report.js";
import type { BringupReport, StepReport } from "./report.js";

/** One test case: its element's children, and what it counts as. */
interface Case {
  readonly name: string;
  readonly seconds: number;
  readonly verdict: "passed" | "failed" | "error" | "skipped";
  readonly body: string;
}

/**
 * A report as JUnit XML, the form that CI servers read: a suite per board, a case per step. What was skipped says why; a step that was
 * ended from outside, and a board whose turn never came, are errors. A board that was replaced by another is skipped.
 * Source: the JUnit schema as Jenkins and GitLab read it.
 */
export function formatJunit(report: BringupReport | FleetReport): string {
  const boards = "boards" in report ? report.boards : [boardOf(report)];
  const suites = boards.map((board) => suiteOf(board, report));
  const all = suites.flatMap(({ cases }) => cases);
  const head = attributes({ name: report.script, ...counts(all), time: seconds(report.durationMs), timestamp: report.startedAt });
  return `<?xml version="1.0" encoding="UTF-8"?>\n<testsuites${head}>\n${suites.map(({ text }) => text).join("")}</testsuites>\n`;
}

function boardOf(report: BringupReport): FleetBoardReport {
  const { name, board, outcome, error, boardNow } = report;
  const words = boardNow ?? "up";
  return { board: name ?? board ?? report.script, host: board, bmp: undefined, slot: undefined, outcome, error, boardNow: words, report };
}

function suiteOf(board: FleetBoardReport, whole: BringupReport | FleetReport): { readonly text: string; readonly cases: readonly Case[] } {
  const cases = board.report?.steps.map((step) => caseOf(step, board)) ?? [boardCase(board)];
  const { host, bmp, slot, boardNow, report } = board;
  const properties = Object.entries({ host, bmp, slot, boardNow }).filter(([, value]) => value !== undefined);
  const head = attributes({
    name: board.board,
    ...counts(cases),
    time: seconds(report?.durationMs ?? 0),
    timestamp: report?.startedAt ?? whole.startedAt,
    hostname: host,
  });
  const lines = [
    `  <testsuite${head}>`,
    "    <properties>",
    ...properties.map(([name, value]) => `      <property${attributes({ name: `board.${name}`, value })}/>`),
    "    </properties>",
    ...cases.map(({ name, seconds: time, body }) => {
      const open = `    <testcase${attributes({ name, classname: `${whole.script}.${board.board}`, time })}`;
      return body === "" ? `${open}/>` : `${open}>\n${body}    </testcase>`;
    }),
    "  </testsuite>",
  ];
  return { text: `${lines.join("\n")}\n`, cases };
}

/** Of a board of which no step was begun. */
function boardCase(board: FleetBoardReport): Case {
  const name = "checks before the first packet";
  const message = String(board.error?.["message"] ?? board.boardNow);
  const verdict = board.replacedBy !== undefined ? "skipped" : board.outcome === "failed" ? "failed" : "error";
  return { name, seconds: 0, verdict, body: verdictElement(verdict, message, board) };
}

function caseOf(step: StepReport, board: FleetBoardReport): Case {
  const { step: number, words, status, durationMs = 0, reason, seen, retries = [] } = step;
  const message = String(board.error?.["message"] ?? "");
  const [verdict, why]: [Case["verdict"], string] =
    status === "done"
      ? ["passed", ""]
      : status === "failed"
        ? [board.replacedBy === undefined ? "failed" : "skipped", message]
        : status === "aborted"
          ? ["error", message]
          : ["skipped", status === "skipped" ? (reason ?? "") : "not run: an earlier step ended the run"];
  const out = Object.entries(seen ?? {}).map(
    ([name, value]) => `${name}: ${typeof value === "object" ? JSON.stringify(value) : String(value)}\n`,
  );
  const errors = retries.map(({ attempt, code, message: words_ }) => `attempt ${attempt}: ${code}: ${words_}\n`);
  const body = [
    verdict === "passed" ? "" : verdictElement(verdict, why, board),
    out.length === 0 ? "" : `      <system-out>${xmlText(out.join(""))}</system-out>\n`,
    errors.length === 0 ? "" : `      <system-err>${xmlText(errors.join(""))}</system-err>\n`,
  ];
  return { name: `${number} ${words}`, seconds: seconds(durationMs), verdict, body: body.join("") };
}

function verdictElement(verdict: Exclude<Case["verdict"], "passed">, message: string, board: FleetBoardReport): string {
  if (verdict === "skipped") {
    const replaced = board.replacedBy === undefined ? "" : `replaced by ${board.replacedBy}: `;
    return `      <skipped${attributes({ message: replaced + message })}/>\n`;
  }
  const { code, hint } = board.error ?? {};
  const name = verdict === "failed" ? "failure" : "error";
  const text = typeof hint === "string" ? hint : `The board now: ${board.boardNow}`;
  return `      <${name}${attributes({ type: code ?? "ERR_SPINN_ABORTED", message })}>${xmlText(text)}</${name}>\n`;
}

function counts(cases: readonly Case[]): Record<string, number> {
  const count = (verdict: Case["verdict"]): number => cases.filter((one) => one.verdict === verdict).length;
  return { tests: cases.length, failures: count("failed"), errors: count("error"), skipped: count("skipped") };
}

function attributes(values: Readonly<Record<string, unknown>>): string {
  return Object.entries(values)
    .filter(([, value]) => value !== undefined)
    .map(([name, value]) => ` ${name}="${xmlText(String(value)).replaceAll("\n", "&#10;").replaceAll("\t", "&#9;")}"`)
    .join("");
}

const ENTITIES: Readonly<Record<string, string>> = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;" };

/** Text of cores may hold anything: what XML 1.0 has no room for becomes a question mark. */
function xmlText(text: string): string {
  return (
    text
      .replaceAll("\r\n", "\n")
      .replace(/\p{Cs}/gu, "?")
      // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is looked for
      .replace(/[\u0000-\u0008\u000b-\u001f\u007f\ufffe\uffff]/g, "?")
      .replace(/[&<>"]/g, (character) => ENTITIES[character]!)
  );
}

function seconds(ms: number): number {
  return ms / 1000;
}
