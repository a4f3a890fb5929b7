import { crc32 } from "node:zlib";
import { SpinnError } from "../../errors.js";

const SIZES: Readonly<Record<string, number>> = {
  byte: 1,
  uchar: 1,
  uint8_t: 1,
  uint8: 1,
  half: 2,
  ushort: 2,
  uint16_t: 2,
  word: 4,
  uint: 4,
  uint32_t: 4,
  uint32: 4,
};

function parseValue(text: string): number {
  if (text === "unix_time") return Math.floor(Date.now() / 1000);
  return /^(\d+|0x[0-9a-f]+|0b[01]+)$/i.test(text) ? Number(text) : Number.NaN;
}

/**
 * The content of a frame's EEPROM from a description: lines `byte|half|word VALUE...`, `date`, `crc32` (of all before it), `pad LENGTH BYTE`,
 * `align SIZE BYTE`; `#` begins a comment. Throws `ERR_SPINN_FILE` with the line. Source: spinnaker_tools `tools/bmpc` (ee_data).
 */
export function parseEepromFile(text: string, file: string, mostBytes: number): Uint8Array {
  const bytes: number[] = [];
  const push = (value: number, size: number): void => {
    for (let i = 0; i < size; i += 1) bytes.push((value / 2 ** (8 * i)) & 255);
  };
  for (const [index, raw] of text.split("\n").entries()) {
    const wrong = (why: string): SpinnError =>
      new SpinnError("ERR_SPINN_FILE", `${file}:${index + 1}: ${why}`, { hint: "nothing was sent" });
    const [key = "", ...words] = raw.replace(/#.*/, "").trim().split(/\s+/);
    if (key === "") continue;
    const values = words.map(parseValue);
    const size = SIZES[key] ?? (["date", "time", "crc32"].includes(key) ? 4 : 1);
    if (values.some(Number.isNaN)) throw wrong(`"${words[values.findIndex(Number.isNaN)]}" is no number`);
    if (bytes.length % size !== 0) throw wrong(`${key} begins at ${bytes.length}, which is no multiple of ${size}`);
    const [first = 0, fill = 0] = values;
    if (key in SIZES) for (const value of values) push(value, size);
    else if (key === "date" || key === "time") push(Math.floor(Date.now() / 1000), 4);
    else if (key === "crc32") push(~crc32(Uint8Array.from(bytes)) >>> 0, 4);
    else if (key === "pad" && values.length === 2 && first >= bytes.length) push2(first - bytes.length, fill);
    else if (key === "align" && values.length === 2 && first > 0) push2((first - (bytes.length % first)) % first, fill);
    else throw wrong(`"${raw.trim()}" is not understood`);
    if (bytes.length > mostBytes) throw wrong(`more than ${mostBytes} bytes`);
  }
  return Uint8Array.from(bytes);

  function push2(count: number, value: number): void {
    for (let i = 0; i < Math.min(count, mostBytes + 1); i += 1) bytes.push(value & 255);
  }
}
