export interface Program {
  readonly code: Uint32Array;
  readonly records: Uint32Array;
  readonly what: readonly { readonly thumb: boolean; readonly ops: readonly number[] }[];
}
export function program(seed: number, count: number): Program;
