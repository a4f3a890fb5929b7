import { optional, required } from "../kind.js";
import { coresWords, selectCores, stepKind } from "../step.js";
import { appId, cores, flag, inputFile, integer } from "../values.js";

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
  needs: () => "board",
  files: ({ file }) => [{ file, as: "application" }],
  describe: ({ file, cores: selection }) => `load ${file.input} on ${coresWords(selection)}`,
  async run({ file: image, cores: selection, app, wait, force, retries }, context) {
    const { access, signal, onProgress } = context;
    const id = app ?? context.appId;
    const machine = await access.machine();
    const chosen = await selectCores(selection, context);
    access.appIds.add(id);
    const options = { appId: id, wait, force, refills: retries, signal, onProgress };
    const result = await machine.load(context.file(image), chosen, options);
    return { app: id, cores: result.cores, sizeBytes: result.sizeBytes, retries: result.refills };
  },
});
