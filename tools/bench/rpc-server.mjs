// The server side of rpc.mjs: an echo target, a publisher and a broadcaster of ours, in a process of their own. Tells its ports on stdout,
// ends when stdin does.
import { Notifier, Publisher } from "../../dist/services/publish/index.js";
import { RpcServer } from "../../dist/services/rpc/index.js";

const notifier = new Notifier({ n: 0 });
const publisher = new Publisher({ state: notifier });
const target = {
  echo: (x) => x,
  ramp: (n) => {
    const array = new Float64Array(n);
    for (let i = 0; i < n; i += 1) array[i] = i;
    return array;
  },
  total: (array) => array.data.length,
  burst: async (n) => {
    for (let i = 1; i <= n; i += 1) {
      notifier.setItem("n", i);
      // A publisher that never yields would be a burst into the queue; sensors yield.
      if (i % 1000 === 0) await new Promise((resolve) => setImmediate(resolve));
    }
  },
  memory: () => {
    globalThis.gc?.();
    return process.memoryUsage().rss;
  },
};
const server = new RpcServer({ echo: target }, { allowParallel: true });
await server.start("127.0.0.1", 0);
await publisher.start("127.0.0.1", 0);
process.stdout.write(`${JSON.stringify([server.port, publisher.port])}\n`);
process.stdin.resume();
process.stdin.on("end", async () => {
  await server.stop();
  await publisher.stop();
});
