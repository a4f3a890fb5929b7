/** Something that can let go of what it holds while this thread stands still. */
export interface Held {
  beginRelease(reason: string): void;
  waitReleased(timeoutMs: number): void;
}

/** For all that is held together. */
const RELEASE_MS = 2000;
const SIGNALS = ["SIGINT", "SIGTERM", "SIGHUP"] as const;

/** As many as there are jobs open: each leaves when it is closed. */
const held = new Set<Held>();

/** Releases `holder` when this process ends, until the returned function is called. */
export function releaseAtExit(holder: Held): () => void {
  if (held.size === 0) {
    process.on("exit", releaseAll);
    for (const signal of SIGNALS) process.on(signal, onSignal);
  }
  held.add(holder);
  return () => {
    if (held.delete(holder) && held.size === 0) {
      process.off("exit", releaseAll);
      for (const signal of SIGNALS) process.off(signal, onSignal);
    }
  };
}

function releaseAll(): void {
  const deadline = performance.now() + RELEASE_MS;
  for (const holder of held) holder.beginRelease("the client's process ended");
  for (const holder of held) holder.waitReleased(Math.max(0, deadline - performance.now()));
  held.clear();
}

function onSignal(signal: NodeJS.Signals): void {
  // Whoever else listens decides what the signal means; if that is the end of the process, "exit" comes.
  if (process.listenerCount(signal) > 1) return;
  releaseAll();
  for (const each of SIGNALS) process.off(each, onSignal);
  process.off("exit", releaseAll);
  process.kill(process.pid, signal);
}
