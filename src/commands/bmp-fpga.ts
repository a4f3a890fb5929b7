import { checkInteger, hex32, SpinnError } from "../errors.js";
import { Command, SCP_MAX_DATA, type ScpRequest } from "../wire/index.js";
import { BmpRequest } from "./bmp-request.js";
import { EMPTY_REPEATABLE } from "./shaped-request.js";

/**
 * FPGA_READ (17 on a BMP): `count` words (1..64) of registers of FPGA 0..2 from byte address `address`. With the supplies off or no bit
 * file the answer is RC_OK and meaningless: the low two bits of FLAG (0x40004) must be the FPGA's number. Repeatable: registers of the
 * design count and report, none clears when read (spio, spinnaker_fpgas). Throws `ERR_SPINN_ARGUMENT`.
 */
export function readFpga(board: number, fpga: number, address: number, count = 1): ScpRequest<number[]> {
  checkFpga(fpga, address);
  const length = 4 * checkInteger("number of registers", count, 1, SCP_MAX_DATA / 4);
  const decode = (datagram: Uint8Array): number[] => {
    const view = new DataView(datagram.buffer, datagram.byteOffset + 14, length);
    return Array.from({ length: count }, (_, i) => view.getUint32(4 * i, true));
  };
  const shape = { repeatable: true, minReply: length, maxReply: length, decode };
  const fields = { arg1: address, arg2: length, arg3: fpga };
  return new BmpRequest(shape, Command.LINK_READ, board, fields, `${count} registers of FPGA ${fpga} at ${hex32(address)}`);
}

/**
 * FPGA_WRITE (18 on a BMP): words into registers of FPGA 0..2. Repeatable: registers hold what was written. Throws `ERR_SPINN_ARGUMENT`.
 */
export function writeFpga(board: number, fpga: number, address: number, values: readonly number[]): ScpRequest<void> {
  checkFpga(fpga, address);
  checkInteger("number of registers", values.length, 1, SCP_MAX_DATA / 4);
  const data = new Uint8Array(4 * values.length);
  const view = new DataView(data.buffer);
  values.forEach((value, i) => {
    view.setUint32(4 * i, checkInteger("register value", value, 0, 0xffffffff), true);
  });
  const fields = { arg1: address, arg2: data.length, arg3: fpga, data };
  return new BmpRequest(EMPTY_REPEATABLE, Command.LINK_WRITE, board, fields, `registers of FPGA ${fpga} at ${hex32(address)}`);
}

function checkFpga(fpga: number, address: number): void {
  checkInteger("FPGA", fpga, 0, 2);
  checkInteger("register address", address, 0, 0xfffff);
  if ((address & 3) === 0) return;
  throw new SpinnError("ERR_SPINN_ARGUMENT", `register address ${hex32(address)} is no multiple of 4: the FPGA would take the one below`);
}
