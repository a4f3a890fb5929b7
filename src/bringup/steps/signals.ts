import { Signal, signalName } from "../../machine/index.js";
import { optional, required } from "../kind.js";
import { stepKind } from "../step.js";
import { appId, signal as signalKind } from "../values.js";

const app = optional(appId, "Application. Default: that of the script");

export const start = stepKind({
  about: "Lets an application that was loaded with `wait` run (signal START)",
  main: "app",
  fields: { app },
  needs: () => ["board"],
  describe: () => "start the application",
  async run({ app: id }, { access, signal, appId: usual }) {
    await (await access.machine()).sendSignal(Signal.START, { appId: id ?? usual, signal });
    return { app: id ?? usual };
  },
});

export const signal = stepKind({
  about: "Sends a signal to the cores of an application",
  main: "signal",
  fields: { signal: required(signalKind, "The signal, e.g. PAUSE or USR0"), app },
  needs: () => ["board"],
  describe: ({ signal: number }) => `send ${signalName(number)}`,
  async run({ signal: number, app: id }, { access, signal: ends, appId: usual }) {
    await (await access.machine()).sendSignal(number, { appId: id ?? usual, signal: ends });
    return { app: id ?? usual, signal: signalName(number) };
  },
});

export const stop = stepKind({
  about: "Ends an application: its cores are free again, its memory, routes and text are gone",
  main: "app",
  fields: { app },
  needs: () => ["board"],
  describe: () => "stop the application",
  async run({ app: id }, { access, signal: ends, appId: usual }) {
    await (await access.machine()).stop(id ?? usual, { signal: ends });
    access.appIds.delete(id ?? usual);
    return { app: id ?? usual };
  },
});
