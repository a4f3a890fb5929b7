export { BestEffortClient, type BestEffortClientOptions } from "./best-effort-client.js";
export type { ValueForm } from "./class-hint.js";
export { AutoTarget, type CallOptions, Client, type ClientOptions, Keywords, kw, type Remote } from "./client.js";
export { type ConnectOptions, connectLines } from "./connect-lines.js";
export { findKey, keyIdentity } from "./dict-key.js";
export { type Dtype, parseDtype } from "./dtype.js";
export { FFProxy, type Forgotten } from "./fire-and-forget.js";
export { LineSocket } from "./line-socket.js";
export { member } from "./member.js";
export {
  type CallContext,
  describeTarget,
  type MethodDescription,
  type ParameterDescription,
  type TargetDescription,
} from "./method-table.js";
export { NdArray, NpScalar, type NumericArray } from "./ndarray.js";
export { type DecodeOptions, decode, type EncodeOptions, encode, MAX_DEPTH, type Notation } from "./pyon.js";
export { type PyonType, registerPyonType } from "./pyon-type.js";
export { IncompatibleServer, RemoteError } from "./remote-error.js";
export { connectGlobalRpc, type GlobalRpcOptions, REXEC_SUFFIX, type RemoteExecOptions, RemoteExecServer } from "./remote-exec.js";
export { RpcServer, type RpcServerOptions, simpleServerLoop, type TargetFactory } from "./server.js";
export { TCPServer, type TCPServerOptions } from "./tcp-server.js";
export type { TlsClientIdentity, TlsServerIdentity } from "./tls-identity.js";
export { Complex, Fraction, float, isPlainObject, OrderedDict, PyFloat, Slice, setMember, Tuple, tuple } from "./value.js";
