import { hex32 } from "../../errors.js";
import { required } from "../kind.js";
import { locate, placeWords } from "../place.js";
import { stepKind } from "../step.js";
import { address, chipOrCore, outputFile, size } from "../values.js";

export const read = stepKind({
  about: "Reads memory into a file",
  fields: {
    at: required(chipOrCore, "Chip, or core for its own memory and for user0 to user3"),
    address: required(address, "Where from: an address, or user0 to user3 for what a program left there"),
    size: required(size, "How much"),
    file: required(outputFile, "File to write, in the output folder"),
  },
  needs: () => ["board"],
  check: ({ at, address: where }) =>
    "user" in where && at.p === undefined ? `user${where.user} is left by a core: name the core in "at"` : undefined,
  describe: ({ at, address: where, size: bytes, file }) => `read ${bytes} bytes at ${placeWords(at, where)} into ${file}`,
  async run({ at, address: where, size: bytes, file }, { access, signal, onProgress, output }) {
    const machine = await access.machine();
    const { target, address: start } = await locate(machine, at, where, signal);
    const data = await machine.readMemory(target, start, bytes, { signal, onProgress });
    return { address: hex32(start), bytes, file: await output(file, data) };
  },
});
