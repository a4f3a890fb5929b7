import { checkInteger, SpinnError } from "../errors.js";
import { Command, ReturnCode, type ScpRequest } from "../wire/index.js";
import { type RequestShape, replyWord, ShapedRequest } from "./shaped-request.js";
import { checkMonitor, type Target } from "./target.js";

export interface CoreCount {
  readonly count: number;
  /** `false` when some chips of the board did not answer within 10 ms: `count` is then what the others said. */
  readonly complete: boolean;
}

const SHAPE: RequestShape<CoreCount> = {
  repeatable: true,
  minReply: 4,
  maxReply: 12,
  // SC&MP itself waits 10 ms for its chips.
  slowMs: 100,
  acceptedCodes: [ReturnCode.P2P_NOREPLY],
  decode(datagram, returnCode) {
    const complete = returnCode === ReturnCode.OK;
    const length = datagram.length - 14;
    if (length !== (complete ? 12 : 4)) {
      throw new SpinnError("ERR_SPINN_SHORT_REPLY", `COUNT answered ${length} bytes with code 0x${returnCode.toString(16)}`);
    }
    return { count: replyWord(datagram, 0), complete };
  },
};

/**
 * COUNT (15), since 4.0.0: how many cores of one board are in `state` under exactly this application id. Goes to the board's Ethernet
 * chip. On a torus chips of a board that crosses the edge are not counted (the firmware does not wrap around); RC_OK without data, an
 * `ERR_SPINN_SHORT_REPLY`, means that another COUNT was running.
 *
 * Repeatable: it only asks. Throws `ERR_SPINN_ARGUMENT`. Source: scamp-cmd.c `cmd_count`.
 */
export function countCores(ethernetChip: Target, appId: number, state: number): ScpRequest<CoreCount> {
  checkInteger("application id", appId, 0, 255);
  checkInteger("core state", state, 0, 15);
  const chip = checkMonitor(ethernetChip, "COUNT");
  return new ShapedRequest(SHAPE, Command.COUNT, chip, { arg1: appId, arg2: state }, `cores of app ${appId} in state ${state}`);
}
