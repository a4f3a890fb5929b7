import { setTimeout as sleep } from "node:timers/promises";
import type { BMPTransceiver } from "../../transceiver/index.js";
import { addBmpOptions, eachSlot, listSlots, type MuteSlot, muteStatus, openBmp, parseSlots } from "../bmp.js";
import type { Job, Verb } from "../job.js";
import { parseDuration } from "../number.js";
import { formatSensors, isAlarming, readings } from "../sensor-table.js";
import { ExitStatus } from "../status.js";

interface Options {
  readonly watch?: boolean;
  readonly every?: number;
}

export const verb: Verb = {
  configure: (command) =>
    void addBmpOptions(command)
      .argument("[slots]", "boards of the frame: 0, 0-5 or 0-5+8 (default: every one that answers)", parseSlots)
      .option("-w, --watch", "again and again, until Ctrl-C; with --json a line each time")
      .option("--every <time>", "pause between two looks with --watch (default: 1s)", (text) => parseDuration("--every", text)),
  examples: ["sensors --bmp 192.168.240.0", "sensors 0-5 --bmp 192.168.240.0 --watch --json # a line of JSON each second"],
  statuses: [1, 3, 4, 7, 9],
  async run(job, command) {
    const [wanted] = command.processedArgs as [number[] | undefined];
    const { watch, every = 1000 } = command.opts<Options>();
    await using bmp = await openBmp(job, command);
    const { slots, failed } = wanted === undefined ? await listSlots(job, bmp) : { slots: wanted, failed: [] };
    const stop = AbortSignal.any([job.signal, job.terminal.outputGone]);
    for (;;) {
      const status = await look(job, bmp, slots, failed);
      if (!watch) return status;
      await sleep(every, undefined, { signal: stop }).catch(() => undefined);
      job.signal.throwIfAborted();
      if (stop.aborted) return status;
    }
  },
};

async function look(job: Job, bmp: BMPTransceiver, slots: readonly number[], silent: readonly MuteSlot[]): Promise<number> {
  const { done: boards, failed } = await eachSlot(job, slots, async (slot) => ({
    slot,
    sensors: await bmp.readSensors(slot, { signal: job.signal }),
  }));
  const mute = [...silent, ...failed];
  const told = boards.map(({ slot, sensors }) => ({ slot, readings: readings(sensors) }));
  job.result({ bmp: bmp.remote, time: new Date().toISOString(), boards: told, failed: mute }, () => formatSensors(job.terminal, boards));
  const status = muteStatus(job, [...slots, ...silent], mute);
  if (status !== ExitStatus.DONE) return status;
  return told.some((board) => isAlarming(board.readings)) ? ExitStatus.NO : ExitStatus.DONE;
}
