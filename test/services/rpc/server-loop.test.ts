import { connect } from "node:net";
import { expect, it } from "vitest";
import { Client, simpleServerLoop } from "../../../src/services/rpc/index.js";
import { plainTarget } from "./lab-target.js";

/** A port that was free a moment ago; an address block of this file's own keeps others away. */
const HOST = "127.66.9.1";
const PORT = 36_907;

async function connected(): Promise<Client> {
  for (;;) {
    const client = await Client.connect(HOST, PORT).catch(() => undefined);
    if (client !== undefined) return client;
  }
}

it("serves until a client says terminate, and is closed then", async () => {
  const before = process.listenerCount("SIGTERM");
  const loop = simpleServerLoop({ plain: plainTarget() }, HOST, PORT, { description: "loop" });
  const client = await connected();
  expect(await client.call("ping")).toBe(true);
  expect(await client.call("terminate")).toBeNull();
  await loop;
  await client.closed;
  expect(process.listenerCount("SIGTERM")).toBe(before);
  const refused = new Promise((resolve) => connect(PORT, HOST).once("error", resolve));
  expect(await refused).toMatchObject({ code: "ECONNREFUSED" });
});

it("ends when its signal fires", async () => {
  const controller = new AbortController();
  const loop = simpleServerLoop({ plain: plainTarget() }, HOST, PORT, { signal: controller.signal });
  const client = await connected();
  controller.abort();
  await expect(loop).rejects.toMatchObject({ code: "ERR_SPINN_ABORTED" });
  await client.closed;
  await expect(simpleServerLoop({}, HOST, PORT, { signal: controller.signal })).rejects.toMatchObject({ code: "ERR_SPINN_ABORTED" });
});

it("ends on a signal to the process", async () => {
  const loop = simpleServerLoop({ plain: plainTarget() }, HOST, PORT);
  const client = await connected();
  process.emit("SIGHUP");
  await loop;
  await client.closed;
});
