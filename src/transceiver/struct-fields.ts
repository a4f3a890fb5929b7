import type { Target } from "../commands/index.js";
import type { ChipCoordinates, CoreCoordinates } from "../machine/index.js";
import { type FieldValue, type StructLayout, SV, VCPU, vcpuAddress } from "../machine/index.js";
import type { CallOptions } from "./call-options.js";
import { readMemory, writeMemory } from "./memory.js";
import type { Session } from "./session.js";

/** One field of a structure that begins at `base`. Throws `ERR_SPINN_ARGUMENT` for a name it does not have. */
export async function readField(
  session: Session,
  place: Target,
  layout: StructLayout,
  base: number,
  name: string,
  options: CallOptions = {},
): Promise<FieldValue> {
  const field = layout.field(name);
  return layout.decode(name, await readMemory(session, place, base + field.offset, field.sizeBytes, options));
}

/** A field that holds one number. */
export async function readNumber(
  session: Session,
  place: Target,
  layout: StructLayout,
  base: number,
  name: string,
  options: CallOptions = {},
): Promise<number> {
  return (await readField(session, place, layout, base, name, options)) as number;
}

export async function writeField(
  session: Session,
  place: Target,
  layout: StructLayout,
  base: number,
  name: string,
  value: FieldValue,
  options: CallOptions = {},
): Promise<void> {
  await writeMemory(session, place, base + layout.field(name).offset, layout.encode(name, value), options);
}

/** A system variable of a chip, e.g. `iobuf_size`. */
export async function readSystemVariable(
  session: Session,
  chip: ChipCoordinates,
  name: string,
  options: CallOptions = {},
): Promise<FieldValue> {
  return readField(session, chip, SV, SV.base, name, options);
}

/** A system variable that holds one number. */
export async function readSystemNumber(session: Session, chip: ChipCoordinates, name: string, options: CallOptions = {}): Promise<number> {
  return readNumber(session, chip, SV, SV.base, name, options);
}

/** A field of a core's `vcpu` block, e.g. `user0`. */
export async function readCoreField(session: Session, core: CoreCoordinates, name: string, options: CallOptions = {}): Promise<FieldValue> {
  return readField(session, core, VCPU, vcpuAddress(core.p), name, options);
}

/** Writes a field of a core's `vcpu` block; `user0` to `user3` are there for that. */
export async function writeCoreField(
  session: Session,
  core: CoreCoordinates,
  name: string,
  value: FieldValue,
  options: CallOptions = {},
): Promise<void> {
  return writeField(session, core, VCPU, vcpuAddress(core.p), name, value, options);
}
