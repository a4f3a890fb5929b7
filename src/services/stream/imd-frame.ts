import { checkInteger, SpinnError } from "../../errors.js";
import { type BufferedFrame, FrameBuffer, type FrameBufferOptions } from "./frame-buffer.js";
import {
  type ByteOrder,
  IMD_BOX_SIZE,
  IMD_ENERGIES_SIZE,
  IMD_HEADER_SIZE,
  IMD_MAX_ATOMS,
  IMD_TIME_SIZE,
  IMDPacketType,
  type IMDSessionInfo,
} from "./imd-packet.js";

/** One block of a frame, with its header as it travels. */
export interface IMDBlock {
  readonly name: "time" | "energies" | "box" | "positions" | "velocities" | "forces";
  readonly type: number;
  /** What the length field of its header must say. */
  readonly length: number;
  /** Offset of the header in the frame. The body follows 8 bytes later. */
  readonly offset: number;
  readonly bodySize: number;
}

/** Where everything lies in a frame. The memory of a frame is its wire form, headers included, which keeps every body word-aligned. */
export interface IMDFrameLayout {
  readonly session: IMDSessionInfo;
  readonly nAtoms: number;
  readonly blocks: readonly IMDBlock[];
  /** Bytes of one frame on the wire, and in the buffer. */
  readonly wireBytes: number;
  /** Bytes of the bodies alone: what imdclient divides the buffer by. */
  readonly frameBytes: number;
}

/** Throws `ERR_SPINN_ARGUMENT` for a number of atoms outside 1..100000000. */
export function imdFrameLayout(session: IMDSessionInfo, nAtoms: number): IMDFrameLayout {
  checkInteger("nAtoms", nAtoms, 1, IMD_MAX_ATOMS);
  const blocks: IMDBlock[] = [];
  let offset = 0;
  const add = (name: IMDBlock["name"], type: number, length: number, bodySize: number): void => {
    if (!session[name]) return;
    blocks.push({ name, type, length, offset, bodySize });
    offset += IMD_HEADER_SIZE + bodySize;
  };
  add("time", IMDPacketType.TIME, 1, IMD_TIME_SIZE);
  add("energies", IMDPacketType.ENERGIES, 1, IMD_ENERGIES_SIZE);
  add("box", IMDPacketType.BOX, 1, IMD_BOX_SIZE);
  add("positions", IMDPacketType.FCOORDS, nAtoms, 12 * nAtoms);
  add("velocities", IMDPacketType.VELOCITIES, nAtoms, 12 * nAtoms);
  add("forces", IMDPacketType.FORCES, nAtoms, 12 * nAtoms);
  return { session, nAtoms, blocks, wireBytes: offset, frameBytes: offset - IMD_HEADER_SIZE * blocks.length };
}

/** Energies of one step, in the unit of the engine. All are float32 on the wire. */
export interface IMDEnergies {
  /** Step the energies belong to, as the engine counts (GROMACS sends step + 1). int32. */
  readonly step: number;
  readonly temperature: number;
  readonly total: number;
  readonly potential: number;
  readonly vanDerWaals: number;
  readonly coulomb: number;
  readonly bonds: number;
  readonly angles: number;
  readonly dihedrals: number;
  readonly impropers: number;
}

/** The nine energies in the order of the wire. */
export const ENERGY_NAMES = [
  "temperature",
  "total",
  "potential",
  "vanDerWaals",
  "coulomb",
  "bonds",
  "angles",
  "dihedrals",
  "impropers",
] as const satisfies readonly (keyof IMDEnergies)[];

/** A stretch of memory that several frames share, so that small frames do not cost an allocation each. */
interface Slab {
  readonly bytes: Uint8Array;
  readonly view: DataView;
}

/** Whether this processor keeps the low byte first: typed arrays do as it does. */
export const HOST_BYTE_ORDER = new Uint8Array(Uint16Array.of(1).buffer)[0] === 1 ? "little" : "big";
const HOST_LITTLE = HOST_BYTE_ORDER === "little";

/**
 * One frame of a simulation: views on memory that is reused when the frame goes back to its buffer. Values and units are those of the
 * engine; nothing is converted. Members the session does not send are `undefined`.
 */
export class IMDFrame implements BufferedFrame {
  readonly slot: number;
  sequence = 0;
  readonly layout: IMDFrameLayout;
  /**
   * Energies in this frame: `none` yet, `old` (version 2: carried over from an earlier frame, see their own step), or `fresh`.
   */
  energiesAge: "none" | "old" | "fresh" = "none";
  /** Memory that holds this frame, for the producer. */
  readonly memory: Uint8Array;
  /** Offset of this frame in `memory`. */
  readonly offset: number;
  readonly #view: DataView;
  #arrays: Partial<Record<IMDBlock["name"], Float32Array>> | undefined;

  constructor(slot: number, layout: IMDFrameLayout, slab: Slab, offset: number) {
    this.slot = slot;
    this.layout = layout;
    this.memory = slab.bytes;
    this.#view = slab.view;
    this.offset = offset;
  }

  /** The bytes of this frame: blocks where the layout says, in this processor's byte order. Headers in between may be blank. */
  get bytes(): Uint8Array {
    // A large frame has its memory for itself.
    if (this.memory.length === this.layout.wireBytes) return this.memory;
    return this.memory.subarray(this.offset, this.offset + this.layout.wireBytes);
  }

  /** Length of a step, in the engine's unit. Version 3. */
  get dt(): number | undefined {
    return this.#float64("time", 0);
  }

  /** Simulated time, in the engine's unit. Version 3. */
  get time(): number | undefined {
    return this.#float64("time", 8);
  }

  /** Number of the step (exact to 2^53). A session without time tells it only where energies are fresh. */
  get step(): number | undefined {
    const body = this.#body("time");
    if (body < 0) {
      const energies = this.energiesAge === "fresh" ? this.#body("energies") : -1;
      return energies < 0 ? undefined : this.#view.getInt32(energies, HOST_LITTLE);
    }
    const low = this.#view.getUint32(body + (HOST_LITTLE ? 16 : 20), HOST_LITTLE);
    const high = this.#view.getInt32(body + (HOST_LITTLE ? 20 : 16), HOST_LITTLE);
    return high * 2 ** 32 + low;
  }

  get energies(): IMDEnergies | undefined {
    const body = this.#body("energies");
    if (body < 0 || this.energiesAge === "none") return undefined;
    const value = (index: number): number => this.#view.getFloat32(body + 4 * index, HOST_LITTLE);
    return {
      step: this.#view.getInt32(body, HOST_LITTLE),
      temperature: value(1),
      total: value(2),
      potential: value(3),
      vanDerWaals: value(4),
      coulomb: value(5),
      bonds: value(6),
      angles: value(7),
      dihedrals: value(8),
      impropers: value(9),
    };
  }

  /** Rows A, B, C of the box: nine numbers. */
  get box(): Float32Array | undefined {
    return this.#array("box");
  }

  /** x, y, z of each atom. */
  get positions(): Float32Array | undefined {
    return this.#array("positions");
  }

  get velocities(): Float32Array | undefined {
    return this.#array("velocities");
  }

  get forces(): Float32Array | undefined {
    return this.#array("forces");
  }

  /** Fills the time block. Throws `ERR_SPINN_ARGUMENT` if the session has none, or for a step that is no whole number. */
  setTime(dt: number, time: number, step: number): void {
    const body = this.#required("time");
    checkInteger("step", step, Number.MIN_SAFE_INTEGER, Number.MAX_SAFE_INTEGER);
    this.#view.setFloat64(body, dt, HOST_LITTLE);
    this.#view.setFloat64(body + 8, time, HOST_LITTLE);
    this.#view.setBigInt64(body + 16, BigInt(step), HOST_LITTLE);
  }

  /** Fills the block of energies, which are `fresh` then. Throws `ERR_SPINN_ARGUMENT` if the session has none. */
  setEnergies(energies: IMDEnergies): void {
    const body = this.#required("energies");
    this.#view.setInt32(body, energies.step, HOST_LITTLE);
    ENERGY_NAMES.forEach((name, index) => {
      this.#view.setFloat32(body + 4 + 4 * index, energies[name], HOST_LITTLE);
    });
    this.energiesAge = "fresh";
  }

  /** A frame of its own, for those who keep it. */
  copy(): IMDFrame {
    const bytes = this.bytes.slice();
    const copy = new IMDFrame(this.slot, this.layout, { bytes, view: new DataView(bytes.buffer) }, 0);
    copy.sequence = this.sequence;
    copy.energiesAge = this.energiesAge;
    return copy;
  }

  /** Offset of a block's body in the slab, -1 for a block that is not sent. */
  #body(name: IMDBlock["name"]): number {
    const { blocks } = this.layout;
    for (let i = 0; i < blocks.length; i += 1) {
      const block = blocks[i]!;
      if (block.name === name) return this.offset + block.offset + IMD_HEADER_SIZE;
    }
    return -1;
  }

  #required(name: IMDBlock["name"]): number {
    const body = this.#body(name);
    if (body < 0) throw new SpinnError("ERR_SPINN_ARGUMENT", `frames of this session have no ${name}`);
    return body;
  }

  #float64(name: IMDBlock["name"], offset: number): number | undefined {
    const body = this.#body(name);
    return body < 0 ? undefined : this.#view.getFloat64(body + offset, HOST_LITTLE);
  }

  #array(name: IMDBlock["name"]): Float32Array | undefined {
    const known = this.#arrays?.[name];
    if (known !== undefined) return known;
    const body = this.#body(name);
    if (body < 0) return undefined;
    const length = name === "box" ? 9 : 3 * this.layout.nAtoms;
    const array = new Float32Array(this.memory.buffer, this.memory.byteOffset + body, length);
    this.#arrays ??= {};
    this.#arrays[name] = array;
    return array;
  }
}

/** A frame outside any buffer, to fill by hand: for a server, or for reading a file. */
export function createIMDFrame(session: IMDSessionInfo, nAtoms: number): IMDFrame {
  return frameMaker(imdFrameLayout(session, nAtoms), 1)(0);
}

/**
 * A frame as it travels. A version 2 frame whose energies are not fresh goes without them.
 *
 * @param byteOrder of the bodies; default: as the session says
 */
export function encodeIMDFrame(frame: IMDFrame, byteOrder: ByteOrder = frame.layout.session.byteOrder): Uint8Array {
  const { layout } = frame;
  const packet = frame.bytes.slice();
  const view = new DataView(packet.buffer);
  for (const block of layout.blocks) {
    view.setInt32(block.offset, block.type);
    view.setInt32(block.offset + 4, block.length);
  }
  if (byteOrder !== HOST_BYTE_ORDER) swapIMDBodies(layout, packet, 0);
  const skips = layout.session.version === 2 && frame.energiesAge !== "fresh";
  return skips ? packet.subarray(layout.blocks.find((block) => block.name === "positions")!.offset) : packet;
}

/** Reverses the bytes of every word in the bodies of a frame that begins at `offset`. */
export function swapIMDBodies(layout: IMDFrameLayout, bytes: Uint8Array, offset: number): void {
  for (const block of layout.blocks) {
    const body = Buffer.from(bytes.buffer, bytes.byteOffset + offset + block.offset + IMD_HEADER_SIZE, block.bodySize);
    if (block.name === "time") body.swap64();
    else body.swap32();
  }
}

/** Default size of the buffer: 10 MiB, as in imdclient. */
export const IMD_BUFFER_SIZE_BYTES = 10 * 1024 * 1024;

export interface IMDFrameBufferOptions extends FrameBufferOptions {
  /** Memory for frames, unit bytes, counted as imdclient counts (bodies only). Default 10 MiB. */
  readonly bufferSizeBytes?: number | undefined;
  /** That many frames instead. */
  readonly frames?: number | undefined;
}

/**
 * The buffer of a session: floor(bufferSizeBytes / bytes of a frame) frames, each allocated when it is first needed and then reused.
 * Headers (8 bytes a block) and the frame objects (some 100 bytes each) come on top of `bufferSizeBytes`.
 */
export class IMDFrameBuffer extends FrameBuffer<IMDFrame> {
  readonly layout: IMDFrameLayout;

  /** Throws `ERR_SPINN_ARGUMENT` when not even one frame fits; the hint says what size is needed. */
  constructor(session: IMDSessionInfo, nAtoms: number, options: IMDFrameBufferOptions = {}) {
    const layout = imdFrameLayout(session, nAtoms);
    const sizeBytes = options.bufferSizeBytes ?? IMD_BUFFER_SIZE_BYTES;
    const frames = options.frames ?? Math.floor(sizeBytes / layout.frameBytes);
    if (frames < 1) throw bufferTooSmall(sizeBytes, layout.frameBytes, nAtoms);
    super(frames, frameMaker(layout, frames), options);
    this.layout = layout;
  }
}

export function bufferTooSmall(sizeBytes: number, frameBytes: number, nAtoms: number): SpinnError {
  return new SpinnError("ERR_SPINN_ARGUMENT", `a buffer of ${sizeBytes} bytes holds no frame of ${nAtoms} atoms`, {
    hint: `set bufferSizeBytes to ${frameBytes} times the number of frames to hold, better ${8 * frameBytes}`,
  });
}

/** Memory for small frames is taken in pieces of about this size. */
const SLAB_BYTES = 64 * 1024;

/** Makes the frames of a buffer, several small ones in one piece of memory. */
function frameMaker(layout: IMDFrameLayout, count: number): (slot: number) => IMDFrame {
  const stride = layout.wireBytes;
  const perSlab = Math.max(1, Math.floor(SLAB_BYTES / stride));
  const slabs: Slab[] = [];
  return (slot) => {
    const index = Math.floor(slot / perSlab);
    slabs[index] ??= makeSlab(Math.min(perSlab, count - index * perSlab) * stride);
    return new IMDFrame(slot, layout, slabs[index], (slot - index * perSlab) * stride);
  };
}

function makeSlab(sizeBytes: number): Slab {
  const bytes = new Uint8Array(sizeBytes);
  return { bytes, view: new DataView(bytes.buffer) };
}
