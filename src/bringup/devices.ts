import {
  type BMPTransceiver,
  BMPTransceiver as Bmp,
  type BmpOptions,
  type BootOptions,
  type BootResult,
  Transceiver,
  type TransceiverOptions,
} from "../transceiver/index.js";

/** What steps ask of a booted machine. */
export type BringupMachine = Pick<
  Transceiver,
  | "version"
  | "remote"
  | "discover"
  | "readMemory"
  | "writeMemory"
  | "readCoreField"
  | "readSystemVariable"
  | "load"
  | "sendSignal"
  | "stop"
  | "waitForCores"
  | "waitForCount"
  | "readApplication"
  | "readIobufs"
  | "loadRoutes"
  | "setIpTag"
  | "setReverseIpTag"
  | "setLeds"
  | "close"
>;

/** What steps ask of a BMP. */
export type BringupBmp = Pick<BMPTransceiver, "version" | "remote" | "powerOn" | "powerOff" | "setLeds" | "close">;

/** How a run comes to its board. The seam for tests, proxies, and boards that somebody else keeps open. */
export interface BringupDevices {
  connect(options: TransceiverOptions): Promise<BringupMachine>;
  connectBmp(options: BmpOptions): Promise<BringupBmp>;
  boot(image: Uint8Array, options: BootOptions): Promise<BootResult>;
}

/** Boards at the other end of a way that datagrams take. Default: this computer's own network. */
export function devicesOver(open?: TransceiverOptions["open"]): BringupDevices {
  return {
    connect: (options) => Transceiver.connect({ ...options, open }),
    connectBmp: (options) => Bmp.connect({ ...options, open }),
    boot: (image, options) => Transceiver.boot(image, { ...options, open }),
  };
}

/** Boards on the network. */
export const NETWORK_DEVICES: BringupDevices = devicesOver();
