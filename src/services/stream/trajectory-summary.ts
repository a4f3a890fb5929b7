import { ENERGY_NAMES, type IMDFrame } from "./imd-frame.js";

export interface Range {
  readonly min: number;
  readonly mean: number;
  readonly max: number;
}

/** What a trajectory did, in the engine's own units. Members are `undefined` where the session sends nothing to tell them from. */
export interface TrajectoryReport {
  readonly frames: number;
  readonly atoms: number | undefined;
  /** Frames that were dropped before they came here. */
  readonly missing: number;
  readonly firstStep: number | undefined;
  readonly lastStep: number | undefined;
  readonly firstTime: number | undefined;
  readonly lastTime: number | undefined;
  /** Frames with a coordinate that is not a finite number; they are left out of everything below. */
  readonly notFinite: number;
  readonly energies: Readonly<Partial<Record<(typeof ENERGY_NAMES)[number], Range>>>;
  /** Root mean square distance of the atoms from where they were in the first frame. */
  readonly displacement: Range | undefined;
  /** Root mean square distance of the atoms from their centre (all atoms weigh the same). */
  readonly radiusOfGyration: Range | undefined;
  /** Root mean square force on an atom. */
  readonly force: Range | undefined;
  /** Corners of the space the atoms have been in. */
  readonly bounds: { readonly low: readonly number[]; readonly high: readonly number[] } | undefined;
  readonly lastBox: readonly number[] | undefined;
}

class Running {
  #count = 0;
  #sum = 0;
  #min = Number.POSITIVE_INFINITY;
  #max = Number.NEGATIVE_INFINITY;

  add(value: number): void {
    this.#count += 1;
    this.#sum += value;
    this.#min = Math.min(this.#min, value);
    this.#max = Math.max(this.#max, value);
  }

  get range(): Range | undefined {
    return this.#count === 0 ? undefined : { min: this.#min, mean: this.#sum / this.#count, max: this.#max };
  }
}

/** Summary of frames as they pass by. It keeps the first frame's positions and otherwise a handful of numbers. */
export class TrajectorySummary {
  #frames = 0;
  #missing = 0;
  #nextSequence: number | undefined;
  #notFinite = 0;
  #atoms: number | undefined;
  #firstStep: number | undefined;
  #lastStep: number | undefined;
  #firstTime: number | undefined;
  #lastTime: number | undefined;
  #first: Float32Array | undefined;
  #lastBox: number[] | undefined;
  readonly #energies = new Map<(typeof ENERGY_NAMES)[number], Running>();
  readonly #displacement = new Running();
  readonly #gyration = new Running();
  readonly #force = new Running();
  readonly #low = [Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY];
  readonly #high = [Number.NEGATIVE_INFINITY, Number.NEGATIVE_INFINITY, Number.NEGATIVE_INFINITY];

  add(frame: IMDFrame): void {
    if (this.#nextSequence !== undefined) this.#missing += Math.max(0, frame.sequence - this.#nextSequence);
    this.#nextSequence = frame.sequence + 1;
    this.#frames += 1;
    this.#atoms = frame.layout.nAtoms;
    const { step, time, box, positions, forces } = frame;
    this.#firstStep ??= step;
    this.#lastStep = step ?? this.#lastStep;
    this.#firstTime ??= time;
    this.#lastTime = time ?? this.#lastTime;
    if (box !== undefined) this.#lastBox = Array.from(box);
    if (frame.energiesAge === "fresh") this.#addEnergies(frame);
    if (positions !== undefined) this.#addPositions(positions);
    if (forces !== undefined) {
      let sum = 0;
      for (let i = 0; i < forces.length; i += 1) sum += forces[i]! ** 2;
      if (Number.isFinite(sum)) this.#force.add(Math.sqrt((3 * sum) / forces.length));
    }
  }

  get report(): TrajectoryReport {
    const energies = Object.fromEntries(Array.from(this.#energies, ([name, running]) => [name, running.range]));
    return {
      frames: this.#frames,
      atoms: this.#atoms,
      missing: this.#missing,
      firstStep: this.#firstStep,
      lastStep: this.#lastStep,
      firstTime: this.#firstTime,
      lastTime: this.#lastTime,
      notFinite: this.#notFinite,
      energies,
      displacement: this.#displacement.range,
      radiusOfGyration: this.#gyration.range,
      force: this.#force.range,
      bounds: this.#first === undefined ? undefined : { low: [...this.#low], high: [...this.#high] },
      lastBox: this.#lastBox,
    };
  }

  #addEnergies(frame: IMDFrame): void {
    const { energies } = frame;
    if (energies === undefined) return;
    for (const name of ENERGY_NAMES) {
      const running = this.#energies.get(name) ?? new Running();
      this.#energies.set(name, running);
      if (Number.isFinite(energies[name])) running.add(energies[name]);
    }
  }

  #addPositions(positions: Float32Array): void {
    const count = positions.length / 3;
    const first = this.#first ?? positions;
    let moved = 0;
    let squares = 0;
    const centre = [0, 0, 0];
    const low = [...this.#low];
    const high = [...this.#high];
    for (let i = 0; i < positions.length; i += 3) {
      for (let axis = 0; axis < 3; axis += 1) {
        const value = positions[i + axis]!;
        moved += (value - first[i + axis]!) ** 2;
        squares += value ** 2;
        centre[axis]! += value / count;
        if (value < low[axis]!) low[axis] = value;
        if (value > high[axis]!) high[axis] = value;
      }
    }
    if (!Number.isFinite(squares)) {
      this.#notFinite += 1;
      return;
    }
    this.#first ??= positions.slice();
    this.#displacement.add(Math.sqrt(moved / count));
    const centreSquare = centre.reduce((sum, value) => sum + value ** 2, 0);
    this.#gyration.add(Math.sqrt(Math.max(0, squares / count - centreSquare)));
    for (let axis = 0; axis < 3; axis += 1) {
      this.#low[axis] = low[axis]!;
      this.#high[axis] = high[axis]!;
    }
  }
}
