export type { ValueForm } from "./class-hint.js";
export { type Dtype, parseDtype } from "./dtype.js";
export { NdArray, NpScalar, type NumericArray } from "./ndarray.js";
export { type DecodeOptions, decode, type EncodeOptions, encode, MAX_DEPTH, type Notation } from "./pyon.js";
export { Complex, Fraction, float, OrderedDict, PyFloat, Slice, Tuple, tuple } from "./value.js";
