import { type CoreCoordinates, formatCore } from "../../machine/index.js";
import type { BringupMachine } from "../devices.js";
import { optional, required } from "../kind.js";
import { pause } from "../pause.js";
import { coresWords, selectCores, stepKind } from "../step.js";
import { appId, cores, flag, inputFile, integer } from "../values.js";

/** Cores restart their idle program within milliseconds of a STOP. */
const FREE_MS = 2000;
const POLL_MS = 20;

export const load = stepKind({
  about: "Loads an application and makes sure that it started",
  fields: {
    file: required(inputFile, "APLX image"),
    cores: required(cores, "Cores to run on; @all for every application core of the machine"),
    app: optional(appId, "Application id. Default: that of the script"),
    wait: optional(flag, "Stop in state WAIT until the step `start`. Default: false"),
    force: optional(flag, "Take cores that are in use. Default: false"),
    retries: optional(integer("number of retries", 0, 20), "Times that cores which did not start are tried again. Default: 3"),
  },
  needs: () => ["board"],
  files: ({ file }) => [{ file, as: "application" }],
  describe: ({ file, cores: selection }) => `load ${file.input} on ${coresWords(selection)}`,
  async run({ file: image, cores: selection, app, wait, force, retries }, context) {
    const { access, signal, onProgress } = context;
    const id = app ?? context.appId;
    const machine = await access.machine();
    const chosen = await selectCores(selection, context);
    access.appIds.add(id);
    const freed = context.again ? await freeOwn(machine, id, chosen, signal) : 0;
    const options = { appId: id, wait, force, refills: retries, signal, onProgress };
    const result = await machine.load(context.file(image), chosen, options);
    return { app: id, cores: result.cores, sizeBytes: result.sizeBytes, retries: result.refills, ...(freed > 0 ? { freed } : {}) };
  },
});

/**
 * Stops what an interrupted load of this step has started, so that its cores are free; the number of cores. Leaves everything as it is
 * when the application has cores elsewhere too, which earlier steps have loaded.
 */
async function freeOwn(machine: BringupMachine, app: number, cores: readonly CoreCoordinates[], signal: AbortSignal): Promise<number> {
  const own = new Set(cores.map(formatCore));
  const running = await machine.readApplication(app, { signal });
  if (running.length === 0 || !running.every((core) => own.has(formatCore(core)))) return 0;
  await machine.stop(app, { signal });
  const giveUpAt = performance.now() + FREE_MS;
  while ((await machine.readApplication(app, { signal })).length > 0 && performance.now() < giveUpAt) await pause(POLL_MS, signal);
  return running.length;
}
