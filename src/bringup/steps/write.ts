import { hex32, SpinnError } from "../../errors.js";
import { list, optional, required } from "../kind.js";
import { locate, placeWords } from "../place.js";
import { stepKind } from "../step.js";
import { address, chipOrCore, flag, inputFile, integer, oneOf } from "../values.js";

const SIZES = { u8: 1, u16: 2, u32: 4 } as const;

export const write = stepKind({
  about: "Writes values or a file into memory, and reads them back",
  fields: {
    at: required(chipOrCore, "Chip, or core for its own memory and for user0 to user3"),
    address: required(address, "Where to"),
    values: optional(list(integer("value", -0x80000000, 0xffffffff), "numbers"), "Numbers, little-endian"),
    unit: optional(oneOf("unit", ["u8", "u16", "u32"]), "Size of the numbers. Default: u32"),
    file: optional(inputFile, "A file instead"),
    verify: optional(flag, "Read back and compare. Default: true"),
  },
  needs: () => ["board"],
  check({ at, address: where, values, unit = "u32", file }) {
    if ((values === undefined) === (file === undefined)) return 'give either "values" or "file"';
    if ("user" in where && at.p === undefined) return `user${where.user} is left by a core: name the core in "at"`;
    const limit = 2 ** (8 * SIZES[unit]);
    const large = values?.find((value) => value >= limit || value < -limit / 2);
    return large === undefined ? undefined : `${large} does not fit into ${unit}`;
  },
  files: ({ file }) => (file === undefined ? [] : [{ file, as: "data" }]),
  describe: ({ at, address: where, file }) => `write ${file?.input ?? "values"} to ${placeWords(at, where)}`,
  async run({ at, address: where, values, unit = "u32", file: source, verify = true }, context) {
    const { access, signal, onProgress } = context;
    const data = source === undefined ? encode(values!, SIZES[unit]) : context.file(source);
    const machine = await access.machine();
    const { target, address: start } = await locate(machine, at, where, signal);
    await machine.writeMemory(target, start, data, { signal, onProgress });
    if (verify) {
      const back = await machine.readMemory(target, start, data.length, { signal, onProgress });
      const wrong = back.findIndex((byte, i) => byte !== data[i]);
      if (wrong >= 0) {
        throw new SpinnError("ERR_SPINN_VERIFY", `${hex32(start + wrong)} reads back as ${back[wrong]}, not ${data[wrong]}`, {
          hint: "does a program on that chip write there too? Then leave the check out with verify: false",
        });
      }
    }
    return { address: hex32(start), bytes: data.length, verified: verify };
  },
});

function encode(values: readonly number[], size: 1 | 2 | 4): Uint8Array {
  const data = new Uint8Array(values.length * size);
  values.forEach((value, i) => {
    for (let byte = 0; byte < size; byte++) data[i * size + byte] = value >> (8 * byte);
  });
  return data;
}
