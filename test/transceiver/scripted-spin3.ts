import { encodeP2pColumn, LINKS, MachineGeometry, VCPU_BASE, VCPU_SIZE } from "../../src/machine/index.js";
import { Command, type ScpRequestPacket } from "../../src/wire/index.js";
import { type Answer, type Script, ScriptedBoard } from "./scripted-board.js";

const geometry = MachineGeometry.spin3();

/** A scripted board that can be discovered: 4 chips of 18 cores. `script` is asked first. */
export async function startSpin3(host: string, version: string, script: Script = () => "default"): Promise<ScriptedBoard> {
  const board = await ScriptedBoard.start({ host, version });
  board.poke(0xf5007f02, [2, 2]);
  board.poke(0xe1010000, encodeP2pColumn([7, 2]));
  board.poke(0xe1010080, encodeP2pColumn([0, 1]));
  for (const chip of geometry.chips()) {
    for (let p = 0; p < 18; p += 1) setCore(board, { ...chip, p }, p === 0 ? 7 : 15, 0);
    board.poke(
      0xf5007fa8,
      Array.from({ length: 18 }, (_, p) => p),
      chip.x,
      chip.y,
    );
    board.pokeWords(0xf5007fc8, [0x67800000], chip.x, chip.y);
  }
  board.script = (request) => {
    const answer = script(request);
    if (answer !== "default" || request.command !== Command.INFO) return answer;
    return info(board, request);
  };
  return board;
}

/** Puts a core into a state. */
export function setCore(
  board: ScriptedBoard,
  core: { readonly x: number; readonly y: number; readonly p: number },
  state: number,
  appId: number,
  rtCode = 0,
): void {
  const at = VCPU_BASE + core.p * VCPU_SIZE;
  board.poke(at + 44, [rtCode, core.p, state, appId], core.x, core.y);
}

function info(board: ScriptedBoard, request: ScpRequestPacket): Answer {
  const [x, y] = request.destX === 255 ? [0, 0] : [request.destX, request.destY];
  const links = LINKS.filter((link) => geometry.isWired(x, y, link)).reduce<number>((bits, link) => bits | (1 << link), 0);
  const root = x === 0 && y === 0;
  const payload = new Uint8Array(38);
  const view = new DataView(payload.buffer);
  view.setUint32(0, 18 | (links << 8) | (1023 << 14) | (root ? 1 << 25 : 0), true);
  view.setUint32(4, 119275488, true);
  view.setUint32(8, 22236, true);
  for (let p = 0; p < 18; p += 1) payload[12 + p] = board.peek(VCPU_BASE + p * VCPU_SIZE + 46, 1, x, y)[0]!;
  if (root) payload.set(board.host.split(".").map(Number), 32);
  view.setUint16(36, geometry.linkTowards({ x, y }, { x: 0, y: 0 }) ?? 7, true);
  return { payload };
}
