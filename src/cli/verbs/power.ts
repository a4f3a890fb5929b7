import { SpinnError } from "../../errors.js";
import type { BMPTransceiver } from "../../transceiver/index.js";
import { addBmpOptions, eachSlot, muteStatus, openBmp, parseSlots } from "../bmp.js";
import { addDryRun } from "../dry-run.js";
import { formatDuration, plural } from "../format.js";
import type { Job, Verb } from "../job.js";
import { nearestWord } from "../nearest.js";
import { parseDuration } from "../number.js";
import { addDisturbOptions, openToDisturb } from "../ownership.js";
import { readings } from "../sensor-table.js";
import { formatTable } from "../table.js";
import { usage } from "../usage.js";

const ACTIONS = ["on", "off", "cycle", "status"] as const;

interface Options {
  readonly settle?: number;
}

/** What became of one slot. */
interface SlotResult {
  readonly slot: number;
  readonly state: "on" | "off" | "failed";
  readonly detail: string;
}

export const verb: Verb = {
  configure: (command) =>
    void addDisturbOptions(addDryRun(addBmpOptions(command)))
      .argument("<action>", "on, off, cycle (off and on) or status", readAction)
      .argument("<slots>", "boards of the frame, 0 to 23: 0, 0-5 or 0-5+8", parseSlots)
      .option("--settle <time>", "rest after switching on, before the board is looked at (default: 5s)", (text) =>
        parseDuration("--settle", text),
      ),
  examples: [
    "power status 0-23 --bmp 192.168.240.0 # supplies of every board of a frame",
    "power on 0 --bmp 192.168.240.0 --yes # a single board; waits until its FPGAs answer",
  ],
  statuses: [1, 3, 4, 5, 7, 8, 9],
  async run(job, command) {
    const [action, slots] = command.processedArgs as [(typeof ACTIONS)[number], number[]];
    const options = command.opts<Options>();
    const what = `power ${action} of slot ${slots.join(" ")}`;
    await using bmp = await (action === "status" ? openBmp(job, command) : openToDisturb(job, command, what, slots));
    if (bmp === undefined) return;
    const startedAt = performance.now();
    const results = await act(job, bmp, action, slots, options);
    const ms = performance.now() - startedAt;
    job.result({ bmp: bmp.remote, action, slots: results, seconds: ms / 1000 }, () => textOf(job, results, ms, slots.length));
    const failed = results.filter(({ state }) => state === "failed").map(({ slot, detail }) => ({ slot, why: detail }));
    return muteStatus(job, slots, failed);
  },
};

async function act(
  job: Job,
  bmp: BMPTransceiver,
  action: (typeof ACTIONS)[number],
  slots: number[],
  options: Options,
): Promise<SlotResult[]> {
  const calls = { signal: job.signal };
  if (action === "off" || action === "cycle") await bmp.powerOff(slots, calls);
  if (action === "on" || action === "cycle") {
    const settleMs = options.settle ?? 5000;
    job.leftBehind = `slots ${slots.join(" ")} were told to switch on: spinn power status says what they did`;
    job.terminal.progress.note(`switched on; looking at the boards in ${formatDuration(settleMs)}`);
    try {
      await bmp.powerOn(slots, { ...calls, settleMs });
    } catch (error) {
      // What is wrong with which board is told slot by slot, in the table.
      if (!(error instanceof SpinnError) || error.code !== "ERR_SPINN_STATE") throw error;
      job.terminal.complain(error.message);
      return await statusOf(job, bmp, slots, new Set(slots.filter((slot) => error.message.includes(`board ${slot}:`))));
    }
    job.leftBehind = undefined;
  }
  return await statusOf(job, bmp, slots, new Set());
}

/** Each slot by itself: a mute one does not hide the others. */
async function statusOf(job: Job, bmp: BMPTransceiver, slots: readonly number[], failed: ReadonlySet<number>): Promise<SlotResult[]> {
  const asked = await eachSlot(job, slots, async (slot): Promise<SlotResult> => {
    const all = readings(await bmp.readSensors(slot, { signal: job.signal }));
    const isOff = all.some(({ name, verdict }) => name.startsWith("1.2 V") && verdict === "off");
    const volts = all.filter(({ unit }) => unit === "V").map(({ value }) => value!.toFixed(2));
    return { slot, state: failed.has(slot) ? "failed" : isOff ? "off" : "on", detail: `${volts.join(" ")} V` };
  });
  const mute = asked.failed.map(({ slot, why }) => ({ slot, state: "failed" as const, detail: why }));
  return [...asked.done, ...mute].sort((a, b) => a.slot - b.slot);
}

function textOf(job: Job, results: readonly SlotResult[], ms: number, asked: number): string {
  const rows = results.map(({ slot, state, detail }) => [
    String(slot),
    job.terminal.paint(state === "on" ? "good" : state === "off" ? "faint" : "bad", state),
    detail,
  ]);
  const table = formatTable([{ title: "slot", align: "right" }, { title: "power" }, { title: "supplies" }], rows, job.terminal.columns);
  const fine = results.filter(({ state }) => state !== "failed").length;
  return `${table}${fine} of ${plural(asked, "slot")} answered in ${formatDuration(ms)}\n`;
}

function readAction(text: string): (typeof ACTIONS)[number] {
  const action = ACTIONS.find((known) => known === text);
  if (action !== undefined) return action;
  const near = nearestWord(text, ACTIONS);
  throw usage(`"${text}" is no action`, near === undefined ? `actions are ${ACTIONS.join(", ")}` : `did you mean ${near}?`);
}
