import { hex32 } from "../../errors.js";
import { BootOpcode, commandName, decodeBoot, SCP_REQUEST_OFFSET } from "../../wire/index.js";
import { word } from "../scp-call.js";
import type { Exchange } from "./session.js";

const BOOT_NAMES = new Map<number, string>(Object.entries(BootOpcode).map(([name, code]) => [code, name]));

/** A request in words: command, chip and core, arguments. */
export function requestText({ request, kind }: Pick<Exchange, "request" | "kind">): string {
  if (kind === "raw") return `${request.length} bytes for a reverse tag`;
  if (kind === "boot") {
    if (request.length < 18) return `${request.length} bytes for the boot ROM`;
    const { opcode, operand1, operand3 } = decodeBoot(request);
    return `boot ${BOOT_NAMES.get(opcode) ?? `opcode ${opcode}`} ${hex32(operand1)} ${hex32(operand3)}`;
  }
  if (request.length < 10) return `${request.length} bytes, too short for a message`;
  const [p, port] = [request[4]! & 31, request[4]! >>> 5];
  const where = kind === "bmp" ? `slot ${p}` : `${request[7]},${request[6]},${p}`;
  if (port !== 0 || request.length < 14) return `SDP to ${where} port ${port}, ${request.length - 10} bytes`;
  const command = commandName(request[10]! | (request[11]! << 8));
  if (request.length < SCP_REQUEST_OFFSET) return `${command} ${where}, cut short`;
  const args = [14, 18, 22].map((offset) => hex32(word(request, offset)));
  const data = request.length - SCP_REQUEST_OFFSET;
  return `${command} ${where} ${args.join(" ")}${data === 0 ? "" : ` and ${data} bytes`}`;
}
