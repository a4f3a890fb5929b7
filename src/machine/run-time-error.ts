/** What stopped a core, `rt_code` of its vcpu block. Source: spinnaker_tools `include/sark.h` (rte_code). */
export interface RunTimeErrorInfo {
  readonly code: number;
  readonly name: string;
  /** For somebody who wrote the program in C. */
  readonly meaning: string;
}

const TABLE: readonly (readonly [string, string])[] = [
  ["NONE", "no error"],
  ["RESET", "the program branched to address 0, most often through a null function pointer"],
  ["UNDEF", "the core met an undefined instruction: a wild function pointer, overwritten code, or code built for another ARM"],
  ["SVC", "the program made a supervisor call, which nothing here serves"],
  ["PABT", "the program jumped to an address where nothing is (prefetch abort)"],
  [
    "DABT",
    "the program read or wrote an address where nothing is, or an unaligned one (data abort): a wild or null pointer, an index out of range",
  ],
  ["IRQ", "an interrupt came for which there is no handler"],
  ["FIQ", "a fast interrupt came for which there is no handler"],
  ["VIC", "the interrupt controller called a vector that was never set up"],
  ["ABORT", "the program called abort()"],
  ["MALLOC", "an allocation failed: the heap of the core or the SDRAM is used up"],
  ["DIV0", "the program divided a whole number by zero"],
  ["EVENT", "an event could not be set up or queued: too many events at a time"],
  ["SWERR", "the program reported a fatal software error; file and line are in the core's block"],
  ["IOBUF", "no memory for the text the program printed"],
  ["ENABLE", "the program enabled an interrupt or event in a way that is not allowed"],
  ["NULL", "the program used a null pointer where the run-time library checks for it"],
  ["PKT", "a packet could not be sent or set up"],
  ["TIMER", "a timer could not be set up"],
  ["API", "the SpiNNaker API was used wrongly, or it failed to start"],
  ["VER", "the program was built for another version of SARK than the machine runs: build it again with matching spinnaker_tools"],
];

export const RUN_TIME_ERRORS: readonly RunTimeErrorInfo[] = TABLE.map(([name, meaning], code) => ({ code, name, meaning }));

/** Name and meaning of a code; an unknown one gets a name with its number. */
export function runTimeError(code: number): RunTimeErrorInfo {
  return (
    RUN_TIME_ERRORS[code] ?? {
      code,
      name: `RTE ${code}`,
      meaning: "a code this software does not know; the program may have set it itself",
    }
  );
}
