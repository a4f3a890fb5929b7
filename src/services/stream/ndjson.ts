import type { IMDFrame } from "./imd-frame.js";
import type { KeyMap } from "./key-map.js";
import { type EventFrame, readEvents } from "./live-events.js";
import { RotatingFile, type RotatingFileOptions } from "./rotating-file.js";

/** A frame of a simulation as plain data: members that were not sent are left out, arrays are lists. */
export function imdFrameToJson(frame: IMDFrame): Record<string, unknown> {
  const { sequence, step, dt, time, energies, energiesAge, box, positions, velocities, forces } = frame;
  const list = (values: Float32Array | undefined): number[] | undefined => (values === undefined ? undefined : Array.from(values));
  return {
    sequence,
    step,
    dt,
    time,
    energies,
    ...(energiesAge === "old" ? { energiesAge } : {}),
    box: list(box),
    positions: list(positions),
    velocities: list(velocities),
    forces: list(forces),
  };
}

/** The events of one datagram as plain data, one object for each. */
export function eventFrameToJson(frame: EventFrame, keyMap?: KeyMap): Record<string, unknown>[] {
  const { source, late } = frame;
  return Array.from(readEvents(frame, keyMap), (event) => ({ ...event, source, ...(late ? { late } : {}) }));
}

/**
 * One JSON value in a line. What JSON cannot say (NaN, infinity) becomes `null`. A crash can cut the last line short and loses at most what
 * `flushBytes` and `flushMs` hold.
 */
export class NdjsonSink implements AsyncDisposable {
  readonly #file: RotatingFile;
  readonly #encoder = new TextEncoder();
  lines = 0;

  private constructor(file: RotatingFile) {
    this.#file = file;
  }

  /** Throws `ERR_SPINN_FILE`. */
  static async open(path: string, options: RotatingFileOptions = {}): Promise<NdjsonSink> {
    return new NdjsonSink(await RotatingFile.open(path, new Uint8Array(), options));
  }

  async write(value: unknown): Promise<void> {
    await this.#file.append(this.#encoder.encode(`${JSON.stringify(value)}\n`));
    this.lines += 1;
  }

  async writeIMDFrame(frame: IMDFrame): Promise<void> {
    await this.write(imdFrameToJson(frame));
  }

  async writeEvents(frame: EventFrame, keyMap?: KeyMap): Promise<void> {
    for (const event of eventFrameToJson(frame, keyMap)) await this.write(event);
  }

  close(): Promise<void> {
    return this.#file.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}
