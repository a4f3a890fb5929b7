#!/usr/bin/env node
import { setMaxListeners } from "node:events";
import { failureOf, failureText } from "./failure.js";
import { InterruptListener } from "./interrupt.js";
import { run } from "./run.js";
import { ExitStatus } from "./status.js";

// Every request in flight listens to the one signal of its run: hundreds are usual, and no leak.
setMaxListeners(0);
process.on("uncaughtException", (error) => {
  process.stderr.write(`${failureText(undefined, failureOf(error), true)}\n`);
  process.exit(ExitStatus.BUG);
});
const interrupts = new InterruptListener();
process.exitCode = await run(process.argv.slice(2), process, interrupts);
interrupts.close();
