/** The line number program of DWARF 2 to 5, section 6.2 of each: which source line an instruction came from. */
import { ByteReader } from "./byte-reader.js";

export interface SourceLine {
  /** As the compiler was given it. */
  readonly file: string;
  readonly line: number;
}

export interface LineRow extends SourceLine {
  readonly address: number;
  /** No code from here on. */
  readonly ends: boolean;
}

const FORM = {
  BLOCK: 0x09,
  DATA1: 0x0b,
  DATA2: 0x05,
  DATA4: 0x06,
  DATA8: 0x07,
  DATA16: 0x1e,
  STRING: 0x08,
  STRP: 0x0e,
  UDATA: 0x0f,
} as const;
const FORM_LINE_STRP = 0x1f;
const CONTENT = { PATH: 1, DIRECTORY: 2 } as const;

interface Texts {
  readonly lineStr: Uint8Array | undefined;
  readonly str: Uint8Array | undefined;
}

export class LineTable {
  /** In the order of addresses. Bounded by the section: a row takes at least one byte of it. */
  readonly rows: readonly LineRow[];

  private constructor(rows: readonly LineRow[]) {
    this.rows = rows;
  }

  /** Reads `.debug_line`; without one the table is empty. Throws `ERR_SPINN_FILE` when it is damaged or of an unknown version. */
  static read(section: Uint8Array | undefined, lineStr: Uint8Array | undefined, str: Uint8Array | undefined, what: string): LineTable {
    const rows: LineRow[] = [];
    if (section !== undefined) {
      const reader = new ByteReader(section, what);
      while (!reader.done) readUnit(reader.part(reader.u32()), { lineStr, str }, rows, what);
    }
    // Where one sequence ends another may begin: the end goes first.
    return new LineTable(rows.sort((a, b) => a.address - b.address || Number(b.ends) - Number(a.ends)));
  }

  at(address: number): SourceLine | undefined {
    let [low, high] = [0, this.rows.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.rows[middle]!.address <= address) low = middle + 1;
      else high = middle;
    }
    const row = this.rows[low - 1];
    return row === undefined || row.ends || row.line === 0 ? undefined : row;
  }
}

function readUnit(unit: ByteReader, texts: Texts, rows: LineRow[], what: string): void {
  const version = unit.u16();
  if (version < 2 || version > 5) throw unit.wrong(`DWARF version ${version}`);
  if (version >= 5) unit.skip(2); // sizes of an address and of a segment selector
  const head = unit.part(unit.u32());
  const minimum = head.u8();
  if (version >= 4) head.skip(1);
  head.skip(1);
  const lineBase = (head.u8() << 24) >> 24;
  const lineRange = head.u8();
  const opcodeBase = head.u8();
  if (lineRange === 0) throw head.wrong("a line range of 0");
  const operands = Array.from({ length: Math.max(0, opcodeBase - 1) }, () => head.u8());
  const files = version >= 5 ? readFiles5(head, texts, what) : readFiles2(head);
  const start = { address: 0, file: 1, line: 1 };
  let state = { ...start };
  const emit = (ends: boolean): void => void rows.push({ address: state.address, file: files[state.file] ?? "?", line: state.line, ends });
  while (!unit.done) {
    const opcode = unit.u8();
    if (opcode >= opcodeBase) {
      const step = opcode - opcodeBase;
      state.address = (state.address + minimum * Math.floor(step / lineRange)) >>> 0;
      state.line += lineBase + (step % lineRange);
      emit(false);
    } else if (opcode === 0) {
      const extended = unit.part(unit.uleb());
      if (extended.done) continue;
      const code = extended.u8();
      if (code === 1) {
        emit(true);
        state = { ...start };
      } else if (code === 2) state.address = extended.u32();
    } else if (opcode === 1) emit(false);
    else if (opcode === 2) state.address = (state.address + minimum * unit.uleb()) >>> 0;
    else if (opcode === 3) state.line += unit.sleb();
    else if (opcode === 4) state.file = unit.uleb();
    else if (opcode === 8) state.address = (state.address + minimum * Math.floor((255 - opcodeBase) / lineRange)) >>> 0;
    else if (opcode === 9) state.address = (state.address + unit.u16()) >>> 0;
    else for (let count = operands[opcode - 1] ?? 0; count > 0; count--) unit.uleb();
  }
}

function readFiles2(head: ByteReader): string[] {
  const folders = [""];
  for (let text = head.text(); text !== ""; text = head.text()) folders.push(text);
  const files = ["?"];
  for (let text = head.text(); text !== ""; text = head.text()) {
    const folder = folders[head.uleb()] ?? "";
    head.uleb();
    head.uleb();
    files.push(joined(folder, text));
  }
  return files;
}

function readFiles5(head: ByteReader, texts: Texts, what: string): string[] {
  const folders = readEntries(head, texts, what);
  return readEntries(head, texts, what).map(({ path, folder }) => joined(folders[folder]?.path ?? "", path));
}

function readEntries(head: ByteReader, texts: Texts, what: string): { path: string; folder: number }[] {
  const formats = Array.from({ length: head.u8() }, () => [head.uleb(), head.uleb()] as const);
  const count = head.uleb();
  // Every form takes at least a byte, so a true count is no larger than what is left.
  if (count > head.end - head.at || (formats.length === 0 && count > 0)) throw head.wrong(`${count} entries`);
  return Array.from({ length: count }, () => {
    const entry = { path: "?", folder: 0 };
    for (const [content, form] of formats) {
      const value = readForm(head, form, texts, what);
      if (content === CONTENT.PATH && typeof value === "string") entry.path = value;
      else if (content === CONTENT.DIRECTORY && typeof value === "number") entry.folder = value;
    }
    return entry;
  });
}

function readForm(head: ByteReader, form: number, texts: Texts, what: string): string | number {
  switch (form) {
    case FORM.STRING:
      return head.text();
    case FORM.STRP:
      return new ByteReader(texts.str ?? new Uint8Array(), what, head.u32()).text();
    case FORM_LINE_STRP:
      return new ByteReader(texts.lineStr ?? new Uint8Array(), what, head.u32()).text();
    case FORM.UDATA:
      return head.uleb();
    case FORM.DATA1:
      return head.u8();
    case FORM.DATA2:
      return head.u16();
    case FORM.DATA4:
      return head.u32();
    case FORM.DATA8:
      return head.unsigned(8);
    case FORM.DATA16:
      head.skip(16);
      return 0;
    case FORM.BLOCK:
      head.skip(head.uleb());
      return 0;
    default:
      throw head.wrong(`form ${form} in a table of files`);
  }
}

function joined(folder: string, file: string): string {
  return folder === "" || file.startsWith("/") ? file : `${folder}/${file}`;
}
