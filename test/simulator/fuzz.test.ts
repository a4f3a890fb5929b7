import fc from "fast-check";
import { afterAll, beforeAll, describe, it } from "vitest";
import { SimulatedMachine } from "../../src/simulator/index.js";

const ADDRESSES = [0, 1, 4, 0x400000, 0x60000000, 0x60640000, 0x67800000, 0x67fffffc, 0x68000000, 0xe1000000, 0xe1010000, 0xe200002c];
const MORE = [0xf5007f00, 0xf5007ffc, 0xe5007000, 0xf100002c, 0xf6000000, 0xffffffff, 0x80000000, 0x10000000];

const word = fc.oneof(fc.constantFrom(...ADDRESSES, ...MORE), fc.nat(300), fc.integer({ min: 0, max: 0xffffffff }));
const request = fc.record({
  command: fc.oneof(fc.integer({ min: 0, max: 40 }), fc.nat(0xffff)),
  place: fc.constantFrom([0, 0], [1, 1], [255, 255], [3, 9]),
  destination: fc.oneof(fc.constant(0), fc.nat(255)),
  source: fc.oneof(fc.constant(255), fc.nat(255)),
  flags: fc.constantFrom(0x87, 0x07, 0xa7, 0xff),
  args: fc.tuple(word, word, word),
  data: fc.uint8Array({ maxLength: 256 }),
  length: fc.option(fc.nat(282), { nil: undefined }),
});

describe.each(["4.0.0", "3.4.1"])("a machine with SC&MP %s", (scamp) => {
  let machine: SimulatedMachine;
  beforeAll(async () => {
    machine = await SimulatedMachine.start({ board: "spin3", port: 0, scamp, timeScale: 0 });
  });
  afterAll(async () => machine.close());

  it("takes any request without an exception; at worst a monitor dies", () => {
    fc.assert(
      fc.property(request, ({ command, place, destination, source, flags, args, data, length }) => {
        const bytes = Buffer.alloc(26 + data.length);
        bytes.set([0, 0, flags, 8, destination, source, place[1]!, place[0]!, 0, 0, command, command >>> 8]);
        args.forEach((arg, i) => {
          bytes.writeUInt32LE(arg, 14 + 4 * i);
        });
        // A fill of all SDRAM is legal and long: keep it short.
        if (command === 5) bytes.writeUInt32LE(args[2] & 0xffff, 22);
        bytes.set(data, 26);
        for (const chip of machine.system.chips) chip.dead = false;
        machine.system.route(machine.chip(0, 0), bytes.subarray(0, length === undefined ? bytes.length : Math.max(10, length)));
      }),
      { numRuns: 1500 },
    );
  });
});
