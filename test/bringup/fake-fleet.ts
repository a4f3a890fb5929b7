import type { BringupDevices, FleetBoard } from "../../src/bringup/index.js";
import { SpinnError } from "../../src/errors.js";
import { FakeBoard } from "./fake-devices.js";

/** Boards `10.0.0.1` and on, six behind each BMP, each in its slot. */
export class FakeFleet {
  readonly boards: FakeBoard[];
  readonly list: FleetBoard[];
  /** Power commands as they were given: `bmp slot`, and when. */
  readonly powered: { readonly place: string; readonly atMs: number }[] = [];

  constructor(count: number) {
    this.boards = Array.from({ length: count }, () => new FakeBoard());
    this.list = this.boards.map((_, i) => ({
      name: `b${i}`,
      address: { host: `10.0.0.${i + 1}`, bmp: { host: `10.1.0.${Math.floor(i / 6)}` }, slot: i % 6 },
    }));
  }

  get open(): number {
    return this.boards.reduce((sum, { open }) => sum + open, 0);
  }

  get devices(): BringupDevices {
    const at = (host: string): FakeBoard => {
      const board = this.boards[this.list.findIndex(({ address }) => address.host === host)];
      if (board === undefined) throw new SpinnError("ERR_SPINN_UNREACHABLE", `${host} is nobody`);
      return board;
    };
    return {
      connect: (options) => at(options.host).devices.connect(options),
      boot: (image, options) => at(options.host).devices.boot(image, options),
      connectBmp: async (options) => {
        const first = this.#inFrame(options.host)[0]!;
        const bmp = await first.devices.connectBmp(options);
        return {
          ...bmp,
          powerOn: async (slots, calls) => {
            for (const slot of slots) {
              this.powered.push({ place: `${options.host} ${slot}`, atMs: performance.now() });
              const target = this.#inFrame(options.host)[slot]!;
              await (await target.devices.connectBmp(options)).powerOn([slot], calls);
              target.open -= 1;
            }
          },
        };
      },
    };
  }

  #inFrame(bmp: string): FakeBoard[] {
    return this.boards.filter((_, i) => this.list[i]!.address.bmp!.host === bmp);
  }
}
