import { SpinnError } from "../../errors.js";
import type { VersionInfo } from "../../transceiver/index.js";
import { optional } from "../kind.js";
import { stepKind } from "../step.js";
import { integer, type VersionDemand, version } from "../values.js";

export const checkVersion = stepKind({
  about: "Refuses to go on unless firmware and size of the machine are as wanted",
  main: "scamp",
  fields: {
    scamp: optional(version, "Version of SC&MP, e.g. >=3.4 or 4.0.0"),
    bmp: optional(version, "Version of the BMP's firmware"),
    chips: optional(integer("number of chips", 1, 65536), "Chips that must answer, at least"),
  },
  needs: ({ scamp, bmp, chips }) => [
    ...((scamp ?? chips) === undefined ? [] : (["board"] as const)),
    ...(bmp === undefined ? [] : (["bmp"] as const)),
  ],
  check: ({ scamp, bmp, chips }) =>
    (scamp ?? bmp ?? chips) === undefined ? 'nothing to check: give "scamp", "bmp" or "chips"' : undefined,
  describe: () => "check versions",
  async run({ scamp, bmp, chips }, { access, signal, onProgress }) {
    const seen: Record<string, unknown> = {};
    if (scamp !== undefined || chips !== undefined) {
      const machine = await access.machine();
      seen["scamp"] = checkDemand("SC&MP", machine.version, scamp);
      if (chips !== undefined) {
        const discovery = await machine.discover({ signal, onProgress });
        seen["chips"] = discovery.machine.chips.size;
        seen["size"] = `${discovery.machine.width}x${discovery.machine.height}`;
        if (discovery.problems.length > 0) seen["problems"] = discovery.problems;
        if (discovery.machine.chips.size < chips) {
          throw new SpinnError("ERR_SPINN_MACHINE", `the machine has ${discovery.machine.chips.size} chips, ${chips} are wanted`, {
            hint: discovery.problems.length > 0 ? discovery.problems.join("; ") : "is this the right board?",
          });
        }
      }
    }
    if (bmp !== undefined) seen["bmp"] = checkDemand("BMP", (await access.bmp()).version, bmp);
    return seen;
  },
});

function checkDemand(what: string, { version: found }: Pick<VersionInfo, "version">, demand: VersionDemand | undefined): string {
  const numbers = [found.major, found.minor, found.patch];
  const words = `${numbers.join(".")}${found.label === undefined ? "" : `-${found.label}`}`;
  if (demand === undefined || satisfies(numbers, demand)) return words;
  const wanted = `${demand.comparison === ">=" ? "at least " : ""}${demand.numbers.join(".")}`;
  throw new SpinnError("ERR_SPINN_WRONG_DEVICE", `the ${what} is version ${words}, wanted is ${wanted}`, {
    hint: "boot with another image, or correct what the script demands",
  });
}

// The first number that differs decides; numbers that the demand leaves out match.
function satisfies(numbers: readonly number[], { comparison, numbers: wanted }: VersionDemand): boolean {
  const at = wanted.findIndex((number, i) => number !== numbers[i]);
  return at < 0 || (comparison === ">=" && numbers[at]! > wanted[at]!);
}
