import { SpinnError } from "../../errors.js";
import { bootImageVersion, checkBootImage, Transceiver } from "../../transceiver/index.js";
import { addBoardOptions, chooseBoard, parsePort } from "../board.js";
import { addDryRun, isDryRun } from "../dry-run.js";
import { readInputFile } from "../file.js";
import { formatDuration, plural } from "../format.js";
import type { Verb } from "../job.js";
import { parseDuration, parseInteger } from "../number.js";
import { ExitStatus } from "../status.js";
import { versionText } from "../version-text.js";

interface Options {
  readonly image?: string;
  readonly bootPort?: number;
  readonly boardVersion?: number;
  readonly settle?: number;
  readonly timeout?: number;
}

export const verb: Verb = {
  configure: (command) =>
    void addDryRun(addBoardOptions(command))
      .argument("<image>", "boot image: the file scamp.boot of spinnaker_tools, SpiNNMan or rig (at most 32 KB)")
      .option("--boot-port <n>", "UDP port of the boot ROM (default: 54321)", parsePort)
      .option("--board-version <n>", "version of the board, 1 to 5; 0 leaves it to the board (default: 0)", (text) =>
        parseInteger("--board-version", text, 0, 5),
      )
      .option("--settle <time>", "silence that is expected after the image (default: 2s)", (text) => parseDuration("--settle", text)),
  examples: ["boot scamp.boot --host 192.168.240.1", "boot scamp.boot --board-version 5 --json"],
  statuses: [1, 3, 4, 9],
  async run(job, command) {
    const options = command.opts<Options>();
    const path = command.args[0]!;
    const image = await readInputFile(path, "boot image");
    checkBootImage(image);
    if (isOnlyForSimulation(image)) {
      job.say(`${path} holds no firmware, only what a simulated machine looks at: a real board would take it and stay silent`);
    }
    const { host, port, open, network } = await chooseBoard(job, command);
    const version = bootImageVersion(image);
    const what = version === undefined ? path : `SC&MP ${version} from ${path}`;
    if (isDryRun(job, command, `boot ${host} with ${what} (${image.length} bytes), unless it is booted already`)) return;
    const startedAt = performance.now();
    job.leftBehind = "the board may have a part of the image: switch it off and on before booting it again";
    const result = await Transceiver.boot(image, {
      host,
      port,
      open,
      bootPort: options.bootPort ?? network?.bootPort,
      boardVersion: options.boardVersion,
      settleMs: options.settle,
      ...(options.timeout === undefined ? {} : { probeMs: options.timeout }),
      ...job.calls,
    });
    job.leftBehind = undefined;
    await using board = await Transceiver.connect({ host, port, open, signal: job.signal });
    const { machine, problems } = await board.discover(job.calls);
    const ms = performance.now() - startedAt;
    const expected = [...machine.geometry.chips()].length;
    const running = versionText(result.version);
    const data = {
      board: board.remote,
      alreadyBooted: result.alreadyBooted,
      attempts: result.attempts,
      scamp: running,
      chips: machine.chips.size,
      expectedChips: expected,
      cores: machine.coreCount,
      seconds: ms / 1000,
      problems,
    };
    const chips = `${machine.chips.size}/${plural(expected, "chip")}`;
    job.result(data, () =>
      result.alreadyBooted
        ? `${board.remote} is booted already: SC&MP ${running}, ${chips}\n`
        : `booted ${chips} in ${formatDuration(ms)} (SC&MP ${running})\n`,
    );
    for (const problem of problems) job.terminal.complain(problem);
    if (result.alreadyBooted && version !== undefined && version !== running) {
      job.terminal.complain(`it runs ${running}, the image holds ${version}: reset or power-cycle the board to boot the other`);
    }
    if (machine.chips.size === 0) throw new SpinnError("ERR_SPINN_BOOT", "no chip answers");
    return ExitStatus.DONE;
  },
};

/** Our own images for simulated machines begin with a branch to itself (ARM `b .`); firmware does not. */
function isOnlyForSimulation(image: Uint8Array): boolean {
  return new DataView(image.buffer, image.byteOffset, 4).getUint32(0, true) === 0xeafffffe;
}
