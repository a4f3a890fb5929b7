import { setTimeout as sleep } from "node:timers/promises";
import { SpinnError } from "../../errors.js";
import type { BMPTransceiver } from "../../transceiver/index.js";
import { addBmpOptions, openBmp, parseSlots } from "../bmp.js";
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
    const slots = wanted ?? (await bmp.listBoards({ signal: job.signal }));
    const stop = AbortSignal.any([job.signal, job.terminal.outputGone]);
    for (;;) {
      const status = await look(job, bmp, slots);
      if (!watch) return status;
      await sleep(every, undefined, { signal: stop }).catch(() => undefined);
      job.signal.throwIfAborted();
      if (stop.aborted) return status;
    }
  },
};

async function look(job: Job, bmp: BMPTransceiver, slots: readonly number[]): Promise<number> {
  const boards: { slot: number; sensors: Awaited<ReturnType<BMPTransceiver["readSensors"]>> }[] = [];
  const mute: { slot: number; why: string }[] = [];
  for (const slot of slots) {
    try {
      boards.push({ slot, sensors: await bmp.readSensors(slot, { signal: job.signal }) });
    } catch (error) {
      if (!(error instanceof SpinnError) || job.signal.aborted) throw error;
      mute.push({ slot, why: error.message });
    }
  }
  const told = boards.map(({ slot, sensors }) => ({ slot, readings: readings(sensors) }));
  job.result({ bmp: bmp.remote, time: new Date().toISOString(), boards: told, failed: mute }, () => formatSensors(job.terminal, boards));
  for (const { slot, why } of mute) job.terminal.complain(`slot ${slot}: ${why}`);
  if (mute.length > 0) return mute.length === slots.length ? ExitStatus.TARGET_REFUSED : ExitStatus.PARTIAL;
  return told.some((board) => isAlarming(board.readings)) ? ExitStatus.NO : ExitStatus.DONE;
}
