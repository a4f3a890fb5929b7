import { SpinnError } from "../../errors.js";

/** Numbers `1,3-5` from 0 to `high` as bits; `undefined` for what is none. */
function bitsOf(text: string, high: number): number | undefined {
  let bits = 0;
  for (const part of text.split(",")) {
    const match = /^(\d+)(?:-(\d+))?$/.exec(part);
    const [from, to] = [Number(match?.[1]), Number(match?.[2] ?? match?.[1])];
    if (match === null || from > to || to > high) return undefined;
    for (let n = from; n <= to; n += 1) bits |= 1 << n;
  }
  return bits;
}

/**
 * Dead parts of a board as the words its flash holds, their count first: lines `chip X Y [core LIST] [link LIST] [dead]`, `#` begins a
 * comment. A word is x[31:27], y[26:24], links[23:18], physical cores[17:0]. Throws `ERR_SPINN_FILE` with the line. Source: spinnaker_tools
 * `tools/bmpc` (board_info), `tools/board.info`.
 */
export function parseBoardInfo(text: string, file: string, mostChips: number): number[] {
  const words: number[] = [];
  for (const [index, raw] of text.split("\n").entries()) {
    const line = raw.trim();
    if (line === "" || line.startsWith("#")) continue;
    const match = /^chip\s+([0-7])\s+([0-7])((?:\s+core\s+\S+)?(?:\s+link\s+\S+)?)(\s+dead)?$/.exec(line);
    const rest = match?.[3] ?? "";
    const cores = bitsOf(/core\s+(\S+)/.exec(rest)?.[1] ?? "", 17);
    const links = bitsOf(/link\s+(\S+)/.exec(rest)?.[1] ?? "", 5);
    const isBad = (/core/.test(rest) && cores === undefined) || (/link/.test(rest) && links === undefined);
    if (match === null || isBad) {
      throw new SpinnError("ERR_SPINN_FILE", `${file}:${index + 1}: "${line}" names no dead parts`, {
        hint: "a line reads: chip 1 2 core 3,5-6 link 0, or: chip 1 2 dead; nothing was sent",
      });
    }
    const parts = match[4] === undefined ? ((links ?? 0) << 18) | (cores ?? 0) : 0xffffff;
    words.push(((Number(match[1]) << 27) | (Number(match[2]) << 24) | parts) >>> 0);
  }
  if (words.length > mostChips) throw new SpinnError("ERR_SPINN_FILE", `${file} names more than ${mostChips} chips`);
  return [words.length, ...words];
}
