import { readFileSync } from "node:fs";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { SimulatedMachine } from "../../src/simulator/index.js";
import { TestClient, until } from "./client.js";

interface Vector {
  readonly name: string;
  readonly direction: string;
  readonly hex: string;
}

const VECTORS: readonly Vector[] = JSON.parse(readFileSync(new URL("../../fixtures/scp-vectors.json", import.meta.url), "utf8"));
// Requests whose recorded reply belongs to another request of the session (reads of what was written before, other machines), or to an error.
const COMPARED = [
  "ver-root",
  "read-half",
  "write-word",
  "fill",
  "app-run",
  "sdram-alloc",
  "iptag-info",
  "iptag-set",
  "iptag-clear",
  "fixed-route-set",
];

describe("golden requests", () => {
  let machine: SimulatedMachine;
  let client: TestClient;

  beforeEach(async () => {
    machine = await SimulatedMachine.start({ board: "spin5", port: 0, timeScale: 0, maskErrors: false });
    client = await TestClient.open(machine.boards[0]!.address);
  });
  afterEach(async () => {
    await client.close();
    await machine.close();
  });

  it.each(COMPARED)("%s is answered byte for byte", async (name) => {
    const request = VECTORS.find((vector) => vector.name === name)!;
    const reply = VECTORS.find((vector) => vector.name.startsWith(`${name}-reply`))!;
    client.send(Buffer.from(request.hex, "hex"));
    expect((await client.next())?.toString("hex")).toBe(reply.hex);
  });

  it("every recorded request is answered, or kills the monitor as writing over its heap does", async () => {
    let answered = 0;
    let deaths = 0;
    const requests = VECTORS.filter(({ name, direction, hex }) => direction === "request" && hex.length >= 52 && !name.startsWith("boot"));
    for (const { hex } of requests) {
      const bytes = Buffer.from(hex, "hex");
      if ((bytes[2]! & 0x80) === 0) continue;
      // Messages to application ports have nobody to answer them.
      if (bytes[4]! >>> 5 !== 0 && (bytes[4]! & 31) !== 0) continue;
      client.send(bytes);
      const { dropped } = machine.boards[0]!.counters;
      await until(() => client.received.length > 0 || dropped.monitorDead > 0, 5000);
      const reply = client.received.shift();
      if (reply === undefined) {
        deaths += 1;
        await client.close();
        await machine.close();
        machine = await SimulatedMachine.start({ board: "spin5", port: 0, timeScale: 0, maskErrors: false });
        client = await TestClient.open(machine.boards[0]!.address);
        continue;
      }
      expect(reply.subarray(12, 14)).toEqual(bytes.subarray(12, 14));
      answered += 1;
    }
    expect(answered).toBeGreaterThan(60);
    expect(deaths).toBeLessThan(4);
  });
});
