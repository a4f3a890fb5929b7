import {
  type BmpSerial,
  type BmpUptime,
  type BmpVersion,
  type BoardStatus,
  FRAME_BOARDS,
  getBmpAddresses,
  getBmpSerial,
  getBmpUptime,
  getBmpVersion,
  getBoardStatus,
  getCanStatus,
  type IpBlock,
  type LedActions,
  type ResetAction,
  readFpga,
  resetBoards,
  setBmpLeds,
  setPower,
  writeFpga,
} from "../commands/index.js";
import { BMPConnection } from "../connections/index.js";
import { SpinnError } from "../errors.js";
import type { ScpRequest } from "../wire/index.js";
import type { CallOptions } from "./call-options.js";
import { pause, within } from "./pause.js";
import { paced } from "./power-pace.js";

export interface BmpOptions extends CallOptions {
  /** Name or IPv4 address of the BMP: usually the board's address minus one in the last octet. */
  readonly host: string;
  /** UDP port. Default 17893. */
  readonly port?: number | undefined;
  /** How long it may stay silent before it is taken for absent, ms. Default 3000. */
  readonly probeMs?: number | undefined;
}

export interface PowerOnOptions extends CallOptions {
  /** Board n waits n times so long, ms. Default 0. */
  readonly delayMs?: number | undefined;
  /** Rest after power-on before the board is looked at, ms. Default 5000, as rig and SpiNNMan wait. */
  readonly settleMs?: number | undefined;
  /** Read supplies and FPGAs afterwards: nothing else reports success. Default `true`. */
  readonly check?: boolean | undefined;
}

/** Low two bits of FLAG are the number of the FPGA, 3 when it holds no design. Source: spio `spinnaker_fpgas`. */
const FPGA_FLAG = 0x40004;
const FPGA_COUNT = 3;
/** Volts below which a rail counts as off: half of the 1.2 V one. */
const RAIL_ON = 0.6;

/** The board management processor of a frame: supplies, resets, sensors, LEDs and FPGAs of its boards. Boards are named by slot, 0..23. */
export class BMPTransceiver {
  readonly #connection: BMPConnection;
  /** What the BMP of board 0 answered. */
  readonly version: BmpVersion;

  private constructor(connection: BMPConnection, version: BmpVersion) {
    this.#connection = connection;
    this.version = version;
  }

  /**
   * Throws `ERR_SPINN_TIMEOUT` (silence), `ERR_SPINN_UNREACHABLE` (closed port, unknown name), `ERR_SPINN_WRONG_DEVICE` (a SpiNNaker board),
   * `ERR_SPINN_ABORTED`.
   */
  static async connect(options: BmpOptions): Promise<BMPTransceiver> {
    const connection = await BMPConnection.open({ host: options.host, port: options.port, signal: options.signal });
    try {
      const ask = (signal: AbortSignal): Promise<BmpVersion> => connection.pipeline.call(getBmpVersion(0), { signal });
      const version = await within(options.probeMs ?? 3000, options.signal, ask);
      if (version === undefined) {
        throw new SpinnError("ERR_SPINN_TIMEOUT", `${connection.remote} does not answer`, {
          hint: "is the frame powered and connected? The BMP's address is usually the board's minus one in the last octet",
          board: connection.remote,
        });
      }
      if (version.name !== "BC&MP") {
        const what = version.name === "SC&MP" ? "a SpiNNaker board" : `"${version.name}"`;
        throw new SpinnError("ERR_SPINN_WRONG_DEVICE", `${connection.remote} is ${what}, not a board management processor (BMP)`, {
          hint: "the BMP's address is usually the board's minus one in the last octet",
          board: connection.remote,
        });
      }
      return new BMPTransceiver(connection, version);
    } catch (error) {
      await connection.close();
      throw error;
    }
  }

  /** `host:port` */
  get remote(): string {
    return this.#connection.remote;
  }

  /** Version of the BMP of a board; `ERR_SPINN_RETURN_CODE` (RC_ROUTE) for a slot that was never heard. */
  async readVersion(board: number, options: CallOptions = {}): Promise<BmpVersion> {
    return this.#call(getBmpVersion(board), options);
  }

  async readSerial(board: number, options: CallOptions = {}): Promise<BmpSerial> {
    return this.#call(getBmpSerial(board), options);
  }

  /** Slots 0..23 whose BMP answers. */
  async listBoards(options: CallOptions = {}): Promise<number[]> {
    const boards: number[] = [];
    for (let board = 0; board < FRAME_BOARDS; board += 1) {
      try {
        await this.readVersion(board, options);
        boards.push(board);
      } catch (error) {
        if (!(error instanceof SpinnError) || error.code !== "ERR_SPINN_RETURN_CODE") throw error;
      }
    }
    return boards;
  }

  /** One request, made by a function of `commands`: what has no method here, such as the serial flash or the BMP's memory. */
  call<T>(request: ScpRequest<T>, options: CallOptions = {}): Promise<T> {
    return this.#call(request, options);
  }

  /** Addresses of a board's BMP and of its SpiNNaker Ethernet, as kept in flash. */
  async readAddresses(board: number, options: CallOptions = {}): Promise<{ readonly bmp: IpBlock; readonly spinnaker: IpBlock }> {
    return this.#call(getBmpAddresses(board), options);
  }

  /** How long a BMP has been running, and what made it start. */
  async readUptime(board: number, options: CallOptions = {}): Promise<BmpUptime> {
    return this.#call(getBmpUptime(board), options);
  }

  /** Ids (0..23) a BMP has heard on the frame's CAN bus, its own included: one request, where {@link listBoards} makes 24. */
  async listHeard(board = 0, options: CallOptions = {}): Promise<number[]> {
    return this.#call(getCanStatus(board), options);
  }

  /** Voltages, temperatures, fans. */
  async readSensors(board: number, options: CallOptions = {}): Promise<BoardStatus> {
    return this.#call(getBoardStatus(board), options);
  }

  /**
   * Switches boards on, waits until they have settled, and looks whether they did: supplies up, FPGAs loaded. Never sent twice: it would reset
   * machines that already run. When the reply is lost, the look afterwards decides.
   * Throws `ERR_SPINN_STATE` naming what is not on.
   */
  async powerOn(boards: readonly number[], options: PowerOnOptions = {}): Promise<void> {
    const { signal, delayMs, settleMs = 5000, check = true } = options;
    try {
      await this.#paced(setPower(true, boards, { delayMs, via: via(boards) }), options);
    } catch (error) {
      if (!check || !(error instanceof SpinnError) || error.code !== "ERR_SPINN_OUTCOME_UNKNOWN") throw error;
    }
    await pause(settleMs, signal);
    if (!check) return;
    const problems: string[] = [];
    for (const board of boards) problems.push(...(await this.#powerProblems(board, options)));
    if (problems.length === 0) return;
    throw new SpinnError("ERR_SPINN_STATE", `power-on left something undone: ${problems.join("; ")}`, {
      hint: "switch the board off and on again; an FPGA without design needs its bit file in the BMP's flash",
      board: this.remote,
    });
  }

  /** Switches boards off. */
  async powerOff(boards: readonly number[], options: CallOptions & { readonly delayMs?: number | undefined } = {}): Promise<void> {
    return this.#paced(setPower(false, boards, { delayMs: options.delayMs, via: via(boards) }), options);
  }

  /** Resets boards: their machines must be booted again. Leave a second after a release before talking to a board. */
  async reset(
    boards: readonly number[],
    action: ResetAction = "pulse",
    options: CallOptions & { readonly fpgas?: boolean | undefined; readonly delayMs?: number | undefined } = {},
  ): Promise<void> {
    return this.#paced(resetBoards(action, boards, { delayMs: options.delayMs, fpgas: options.fpgas, via: via(boards) }), options);
  }

  /** Switches LEDs 0..7 of boards, one request each: a BMP acts on its own LEDs only. */
  async setLeds(boards: readonly number[], actions: LedActions, options: CallOptions = {}): Promise<void> {
    for (const board of boards) await this.#call(setBmpLeds(board, actions), options);
  }

  /** Registers of FPGA 0..2 from a byte address, 1..64 words. */
  async readFpga(board: number, fpga: number, address: number, count = 1, options: CallOptions = {}): Promise<number[]> {
    return this.#call(readFpga(board, fpga, address, count), options);
  }

  async writeFpga(board: number, fpga: number, address: number, values: readonly number[], options: CallOptions = {}): Promise<void> {
    return this.#call(writeFpga(board, fpga, address, values), options);
  }

  close(): Promise<void> {
    return this.#connection.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /** Power and reset: one at a time per BMP, whoever in this process asks. */
  #paced<T>(request: ScpRequest<T>, options: CallOptions): Promise<T> {
    return paced(this.remote, options.signal, () => this.#call(request, options));
  }

  #call<T>(request: ScpRequest<T>, options: CallOptions): Promise<T> {
    return this.#connection.pipeline.call(request, { signal: options.signal });
  }

  async #powerProblems(board: number, options: CallOptions): Promise<string[]> {
    const status = await this.readSensors(board, options);
    const rails = { "1.2 V A": status.voltage12a, "1.2 V B": status.voltage12b, "1.2 V C": status.voltage12c, "1.8 V": status.voltage18 };
    const problems = Object.entries(rails)
      .filter(([, volts]) => volts < RAIL_ON)
      .map(([name, volts]) => `board ${board}: ${name} rail is at ${volts.toFixed(2)} V`);
    if (problems.length > 0) return problems;
    for (let fpga = 0; fpga < FPGA_COUNT; fpga += 1) {
      const [flag] = await this.readFpga(board, fpga, FPGA_FLAG, 1, options);
      if ((flag! & 3) !== fpga)
        problems.push(`board ${board}: FPGA ${fpga} says it is ${(flag! & 3) === 3 ? "empty" : `number ${flag! & 3}`}`);
    }
    return problems;
  }
}

/** The board to ask: one of those meant, so that its reply comes when it is done. */
function via(boards: readonly number[]): number {
  return boards.includes(0) ? 0 : (boards[0] ?? 0);
}
