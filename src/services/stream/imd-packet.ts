import { SpinnError } from "../../errors.js";

/**
 * IMD (interactive molecular dynamics) on the wire: a header of two big-endian int32, type and length, then perhaps a body in the byte
 * order of the server. Version 3 is described by imdclient `docs/source/protocol_v3.rst`; version 2 is what released engines speak
 * (GROMACS `src/gromacs/imd/imd.cpp`, LAMMPS `src/MISC/fix_imd.cpp`).
 */
export const IMDPacketType = {
  DISCONNECT: 0,
  ENERGIES: 1,
  FCOORDS: 2,
  GO: 3,
  HANDSHAKE: 4,
  KILL: 5,
  MDCOMM: 6,
  PAUSE: 7,
  TRATE: 8,
  IOERROR: 9,
  SESSIONINFO: 10,
  RESUME: 11,
  TIME: 12,
  BOX: 13,
  VELOCITIES: 14,
  FORCES: 15,
  WAIT: 16,
} as const;

export type IMDVersion = 2 | 3;
export type ByteOrder = "little" | "big";

/** What a session sends in its frames. */
export interface IMDSessionInfo {
  readonly version: IMDVersion;
  /** Byte order of the server: of all bodies, in both directions. */
  readonly byteOrder: ByteOrder;
  readonly time: boolean;
  /** In version 2 nobody announces anything: `true` means that they may come. */
  readonly energies: boolean;
  readonly box: boolean;
  readonly positions: boolean;
  /** As sent. LAMMPS: coordinates are wrapped into the box. The GROMACS fork read had the opposite meaning. */
  readonly wrapped: boolean;
  readonly velocities: boolean;
  readonly forces: boolean;
}

export const IMD_HEADER_SIZE = 8;
export const IMD_SESSION_INFO_SIZE = 7;
/** Bytes of the bodies that do not depend on the number of atoms. */
export const IMD_TIME_SIZE = 24;
export const IMD_ENERGIES_SIZE = 40;
export const IMD_BOX_SIZE = 36;
/** Customary port. */
export const IMD_PORT = 8888;
/** Bodies of n atoms are 12 n bytes and their length field is an int32: more cannot travel in a JavaScript array anyway. */
export const IMD_MAX_ATOMS = 100_000_000;

const NAMES = new Map<number, string>(Object.entries(IMDPacketType).map(([name, code]) => [code, name]));

/** `FCOORDS`, or `type 99` for a number nobody knows. */
export function imdPacketName(type: number): string {
  return NAMES.get(type) ?? `type ${type}`;
}

/** A packet without body: a command of a client. */
export function encodeIMDHeader(type: number, length = 0): Uint8Array {
  const packet = new Uint8Array(IMD_HEADER_SIZE);
  const view = new DataView(packet.buffer);
  view.setInt32(0, type);
  view.setInt32(4, length);
  return packet;
}

/** HANDSHAKE: the one header whose length field is in the server's own order, by which the client recognises it. */
export function encodeIMDHandshake(version: IMDVersion, byteOrder: ByteOrder): Uint8Array {
  const packet = encodeIMDHeader(IMDPacketType.HANDSHAKE);
  new DataView(packet.buffer).setInt32(4, version, byteOrder === "little");
  return packet;
}

/** SESSIONINFO of version 3: seven bytes, *wrapped* between coordinates and velocities. */
export function encodeIMDSessionInfo(info: IMDSessionInfo): Uint8Array {
  const packet = new Uint8Array(IMD_HEADER_SIZE + IMD_SESSION_INFO_SIZE);
  packet.set(encodeIMDHeader(IMDPacketType.SESSIONINFO, IMD_SESSION_INFO_SIZE));
  const flags = [info.time, info.energies, info.box, info.positions, info.wrapped, info.velocities, info.forces];
  packet.set(flags.map(Number), IMD_HEADER_SIZE);
  return packet;
}

/** Version and byte order of a server, from its first 8 bytes. Throws `ERR_SPINN_PROTOCOL`. */
export function decodeIMDHandshake(packet: Uint8Array): { readonly version: IMDVersion; readonly byteOrder: ByteOrder } {
  const view = new DataView(packet.buffer, packet.byteOffset, IMD_HEADER_SIZE);
  const type = view.getInt32(0);
  if (type !== IMDPacketType.HANDSHAKE) {
    throw new SpinnError("ERR_SPINN_PROTOCOL", `the server's first packet is ${imdPacketName(type)}, not HANDSHAKE`, {
      hint: "is an IMD server listening there?",
    });
  }
  for (const byteOrder of ["big", "little"] as const) {
    const version = view.getInt32(4, byteOrder === "little");
    if (version === 2 || version === 3) return { version, byteOrder };
  }
  const spoken = Math.min(view.getUint32(4), view.getUint32(4, true));
  throw new SpinnError("ERR_SPINN_PROTOCOL", `the server speaks IMD version ${spoken}; versions 2 and 3 are understood`);
}

/** SESSIONINFO, 15 bytes. Throws `ERR_SPINN_PROTOCOL`, also for a session that announces no block: a frame of no bytes never ends. */
export function decodeIMDSessionInfo(packet: Uint8Array, byteOrder: ByteOrder): IMDSessionInfo {
  const view = new DataView(packet.buffer, packet.byteOffset, packet.length);
  const type = view.getInt32(0);
  const length = view.getInt32(4);
  if (type !== IMDPacketType.SESSIONINFO || length !== IMD_SESSION_INFO_SIZE) {
    throw new SpinnError(
      "ERR_SPINN_PROTOCOL",
      `the server sent ${imdPacketName(type)} of length ${length} where SESSIONINFO of length ${IMD_SESSION_INFO_SIZE} belongs`,
    );
  }
  const [time, energies, box, positions, wrapped, velocities, forces] = Array.from(packet.subarray(8, 15), (byte) => byte !== 0);
  const info = { time: time!, energies: energies!, box: box!, positions: positions!, velocities: velocities!, forces: forces! };
  if (!Object.values(info).includes(true)) throw new SpinnError("ERR_SPINN_PROTOCOL", "the server announces frames without any content");
  return { version: 3, byteOrder, ...info, wrapped: wrapped! };
}

/** What a session of version 2 may send: coordinates, and energies now and then. */
export function imdSessionInfoV2(byteOrder: ByteOrder): IMDSessionInfo {
  const nothing = { time: false, box: false, wrapped: false, velocities: false, forces: false };
  return { version: 2, byteOrder, ...nothing, energies: true, positions: true };
}

/**
 * MDCOMM: forces on atoms, in the server's byte order and in the unit the engine takes (GROMACS: kcal/(mol A) whatever it sends).
 * Everything is checked, because GROMACS and LAMMPS crash on an atom number out of range.
 *
 * @param atoms numbers within the IMD group, from 0, none twice
 * @param forces three components for each atom
 * @throws `ERR_SPINN_ARGUMENT`
 */
export function encodeIMDForces(atoms: ArrayLike<number>, forces: ArrayLike<number>, nAtoms: number, byteOrder: ByteOrder): Uint8Array {
  const count = atoms.length;
  if (count < 1 || count > nAtoms) {
    throw new SpinnError("ERR_SPINN_ARGUMENT", `forces on ${count} atoms; it must be 1 to ${nAtoms}`, {
      hint: "to take forces away, send zeros for their atoms",
    });
  }
  if (forces.length !== 3 * count) {
    throw new SpinnError("ERR_SPINN_ARGUMENT", `${forces.length} force components for ${count} atoms; it must be ${3 * count}`);
  }
  const little = byteOrder === "little";
  const packet = new Uint8Array(IMD_HEADER_SIZE + 16 * count);
  packet.set(encodeIMDHeader(IMDPacketType.MDCOMM, count));
  const view = new DataView(packet.buffer);
  const seen = new Set<number>();
  for (let i = 0; i < count; i += 1) {
    const atom = atoms[i]!;
    if (!Number.isInteger(atom) || atom < 0 || atom >= nAtoms) {
      throw new SpinnError("ERR_SPINN_ARGUMENT", `force on atom ${String(atom)}; atoms count from 0 to ${nAtoms - 1}`);
    }
    if (seen.has(atom)) throw new SpinnError("ERR_SPINN_ARGUMENT", `atom ${atom} has two forces`);
    seen.add(atom);
    view.setInt32(IMD_HEADER_SIZE + 4 * i, atom, little);
    for (let axis = 0; axis < 3; axis += 1) {
      const force = Math.fround(forces[3 * i + axis]!);
      if (!Number.isFinite(force)) throw new SpinnError("ERR_SPINN_ARGUMENT", `the force on atom ${atom} is not a finite 32 bit number`);
      view.setFloat32(IMD_HEADER_SIZE + 4 * count + 12 * i + 4 * axis, force, little);
    }
  }
  return packet;
}
