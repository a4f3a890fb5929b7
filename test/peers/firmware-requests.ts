import { readFileSync } from "node:fs";

/** One request to both machines. */
export interface JudgedRequest {
  readonly name: string;
  readonly x: number;
  readonly y: number;
  readonly core: number;
  /** SDP port; 0 is the kernel's. Default 0. */
  readonly sdpPort?: number;
  readonly command: number;
  readonly args?: readonly number[];
  readonly data?: Uint8Array;
  /** The datagram is cut to so many bytes. */
  readonly cut?: number;
  /** Sent without asking for a reply (SDP flags 0x07): nothing is compared. */
  readonly silent?: boolean;
  /** Milliseconds for what the request started to come to an end. */
  readonly settleMs?: number;
  /** Bytes of the reply's data that may differ: [offset, length] from byte 14 of the reply. */
  readonly ignore?: readonly (readonly [number, number])[];
}

const C = {
  VER: 0,
  READ: 2,
  WRITE: 3,
  FILL: 5,
  COUNT: 15,
  LINK_READ: 17,
  LINK_WRITE: 18,
  AR: 19,
  NNP: 20,
  SIG: 22,
  FFD: 23,
  AS: 24,
} as const;
const D = { LED: 25, IPTAG: 26, SROM: 27, ALLOC: 28, RTR: 29, INFO: 31, SYNC: 32 } as const;
/** Memory for users under the heap, which nobody else touches. */
const SDRAM = 0x6030_0000;
const SYSRAM_USER = 0xe500_0100;

const application = readFileSync(new URL("../../fixtures/apps/hello.aplx", import.meta.url));
const pattern = (length: number) => Uint8Array.from({ length }, (_, i) => (7 * i + 3) & 0xff);

/** How many shared buffers were ever in use at once. */
const POINTER_STATISTICS = [14, 2] as const;
/** Of a vcpu block: where the last ping found the core, its mailbox, when it started. */
const VCPU_HISTORY = [
  [40, 4],
  [48, 8],
  [68, 4],
] as const;

/** Requests that are the end of a monitor: an access its core cannot make. */
export const FATAL_REQUESTS: readonly JudgedRequest[] = [
  { name: "FILL at an odd address", x: 0, y: 0, core: 0, command: C.FILL, args: [SDRAM + 257, 0xdead_beef, 8] },
  { name: "READ of a word at an odd address", x: 0, y: 0, core: 0, command: C.READ, args: [SDRAM + 1, 4, 2] },
  { name: "READ where nothing is", x: 0, y: 0, core: 0, command: C.READ, args: [0x8000_0000, 4, 2] },
  { name: "READ of a word at an odd address, far away", x: 1, y: 1, core: 0, command: C.READ, args: [SDRAM + 1, 4, 2] },
];

/** Bytes of a reply that the command did not write, because it moves whole halves or words: what the buffer held before. */
const leftOver = (length: number, unit: number): (readonly [number, number])[] => [
  [length - (length % (1 << (unit & 3))), length % (1 << (unit & 3))],
];

/** The list: every command of the monitor, every kind of wrong argument, sizes and alignments, chips near, far and missing. */
export function judgedRequests(): JudgedRequest[] {
  const list: JudgedRequest[] = [];
  const add = (
    name: string,
    x: number,
    y: number,
    core: number,
    command: number,
    args: readonly number[] = [],
    more: Partial<JudgedRequest> = {},
  ) => list.push({ name, x, y, core, command, args, ...more });
  const places: readonly (readonly [number, number])[] = [
    [0, 0],
    [1, 1],
    [255, 255],
  ];

  for (const [x, y] of places) {
    for (const core of [0, 1, 16]) add("VER", x, y, core, C.VER, [], { ignore: [[8, 4]] });
    add("INFO", x, y, 0, D.INFO);
  }
  for (const core of [17, 18, 20, 31]) add("VER of a core that is not there", 0, 0, core, C.VER, [], { ignore: [[8, 4]] });
  add("VER of a missing chip", 9, 9, 0, C.VER);
  add("VER of a chip beyond the dimensions", 254, 3, 0, C.VER);
  for (let port = 1; port < 8; port += 1) add("port of the monitor", 0, 0, 0, C.VER, [], { sdpPort: port });
  for (const cut of [10, 12, 14, 16, 20, 25])
    add(`datagram of ${cut} bytes`, 0, 0, 0, C.VER, [1, 2, 3], { cut, ignore: cut < 14 ? [[-2, 2]] : [[8, 4]] });
  for (let command = 1; command < 70; command += 1) {
    if ([2, 3, 5, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 31, 32].includes(command)) continue;
    add(`command ${command}`, 0, 0, 0, command);
    if (command % 10 === 1) add(`command ${command} of a core`, 0, 0, 3, command);
  }

  for (const [x, y] of places) {
    for (const unit of [0, 1, 2, 3]) {
      for (const length of [0, 1, 2, 3, 4, 8, 255, 256, 257])
        add(`READ ${length} in units ${unit}`, x, y, 0, C.READ, [SDRAM, length, unit], { ignore: leftOver(length, unit) });
    }
    for (const [unit, data] of [
      [0, pattern(13)],
      [1, pattern(14)],
      [2, pattern(16)],
      [2, pattern(256)],
    ] as const) {
      add(`WRITE ${data.length} in units ${unit}`, x, y, 0, C.WRITE, [SDRAM + 64, data.length, unit], { data });
      add("READ it back", x, y, 0, C.READ, [SDRAM + 60, 256, 2]);
    }
    add("WRITE of 257", x, y, 0, C.WRITE, [SDRAM, 257, 2], { data: pattern(256) });
    add("WRITE of a unit that is none", x, y, 0, C.WRITE, [SDRAM, 4, 3], { data: pattern(4) });
    add("WRITE shorter than it says", x, y, 0, C.WRITE, [SDRAM + 4096, 16, 2], { data: pattern(8) });
    add("FILL", x, y, 0, C.FILL, [SDRAM + 256, 0x1234_5678, 64]);
    add("FILL of an odd size", x, y, 0, C.FILL, [SDRAM + 256, 0xdead_beef, 6]);
    add("FILL of nothing", x, y, 0, C.FILL, [SDRAM + 256, 1, 0]);
    add("READ the filled", x, y, 0, C.READ, [SDRAM + 240, 128, 2]);
  }
  add("READ SysRAM", 0, 0, 0, C.READ, [SYSRAM_USER, 64, 2]);
  add("READ past the end of SDRAM", 0, 0, 0, C.READ, [0x6800_0000, 16, 2]);
  add("READ sv: who and where", 0, 0, 0, C.READ, [0xf500_7f00, 16, 2]);
  // Random numbers, and how far synchronisation was off.
  add("READ sv: start values", 0, 0, 0, C.READ, [0xf500_7f20, 60, 2], {
    ignore: [
      [28, 4],
      [36, 4],
    ],
  });
  add("READ sv: pointers", 0, 0, 0, C.READ, [0xf500_7f60, 160, 2], { ignore: [POINTER_STATISTICS] });
  add("READ sv of 1,1: who and where", 1, 1, 0, C.READ, [0xf500_7f00, 16, 2]);
  add("READ sv of 1,1: pointers", 1, 1, 0, C.READ, [0xf500_7f60, 160, 2], { ignore: [POINTER_STATISTICS] });
  for (const core of [0, 1, 5]) add(`READ vcpu ${core}`, 0, 0, 0, C.READ, [0xe500_7000 + 128 * core, 128, 2], { ignore: VCPU_HISTORY });
  for (const offset of [0x00, 0x04, 0x2c, 0x84, 0x200, 0x23c])
    add(`READ router register ${offset.toString(16)}`, 0, 0, 0, C.READ, [0xe100_0000 + offset, 4, 2]);
  for (const [x, y] of places)
    for (let column = 0; column < 8; column += 1)
      add(`READ P2P table, column ${column}`, x, y, 0, C.READ, [0xe101_0000 + 128 * column, 4, 2]);
  for (const table of [0x4000, 0x8000, 0xc000]) add("READ router table", 0, 0, 0, C.READ, [0xe100_0000 + table, 32, 2]);
  for (const offset of [0x00, 0x10, 0x34, 0x38])
    add(`READ system controller ${offset.toString(16)}`, 0, 0, 0, C.READ, [0xe200_0000 + offset, 4, 2]);

  for (let link = 0; link < 7; link += 1) {
    add(`LINK_READ over ${link}`, 0, 0, 0, C.LINK_READ, [SDRAM, 8, link]);
    add(`LINK_READ over ${link} of 1,1`, 1, 1, 0, C.LINK_READ, [SDRAM, 4, link]);
  }
  add("LINK_READ of 3 bytes", 0, 0, 0, C.LINK_READ, [SDRAM, 3, 0], { ignore: leftOver(3, 2) });
  add("LINK_READ at an odd address", 0, 0, 0, C.LINK_READ, [SDRAM + 1, 4, 0]);
  add("LINK_READ of 260", 0, 0, 0, C.LINK_READ, [SDRAM, 260, 0]);
  add("LINK_READ of nothing", 0, 0, 0, C.LINK_READ, [SDRAM, 0, 0]);
  add("LINK_WRITE", 0, 0, 0, C.LINK_WRITE, [SDRAM + 512, 12, 0], { data: pattern(12) });
  add("what it wrote", 1, 0, 0, C.READ, [SDRAM + 508, 24, 2]);
  add("LINK_WRITE over a missing link", 0, 0, 0, C.LINK_WRITE, [SDRAM + 512, 8, 6], { data: pattern(8) });

  for (const [x, y] of places) {
    add("ALLOC SDRAM", x, y, 0, D.ALLOC, [(30 << 8) | 0, 1024, 0]);
    add("ALLOC SDRAM with a tag", x, y, 0, D.ALLOC, [(30 << 8) | 0, 100, 5]);
    add("ALLOC SDRAM with the same tag", x, y, 0, D.ALLOC, [(30 << 8) | 0, 100, 5]);
    add("ALLOC with retry", x, y, 0, D.ALLOC, [(4 << 16) | (30 << 8) | 0, 100, 5]);
    add("ALLOC of nothing", x, y, 0, D.ALLOC, [(30 << 8) | 0, 0, 0]);
    add("ALLOC of too much", x, y, 0, D.ALLOC, [(30 << 8) | 0, 0x0fff_ffff, 0]);
    for (let op = 0; op < 12; op += 1) {
      if (op === 0 || op === 1 || op === 2 || op === 3 || op === 4) continue;
      add(`ALLOC operation ${op}`, x, y, 0, D.ALLOC, [(31 << 8) | op, 0, 0]);
    }
    add("ALLOC router entries", x, y, 0, D.ALLOC, [(30 << 8) | 3, 8, 0]);
    add("ALLOC router entries again", x, y, 0, D.ALLOC, [(30 << 8) | 3, 5, 0]);
    add("ALLOC of all router entries", x, y, 0, D.ALLOC, [(30 << 8) | 3, 1024, 0]);
    add("FREE router entries of an application", x, y, 0, D.ALLOC, [(30 << 8) | 5, 1, 0]);
    add("ALLOC SysRAM", x, y, 0, D.ALLOC, [(30 << 8) | 6, 64, 0]);
    add("FREE by application", x, y, 0, D.ALLOC, [(30 << 8) | 2, 0, 0]);
    add("FREE by application again", x, y, 0, D.ALLOC, [(30 << 8) | 2, 0, 0]);
    add("INFO afterwards", x, y, 0, D.INFO);
  }

  add("RTR set fixed route", 0, 0, 0, D.RTR, [3 | (0 << 8), 0x0000_0041, 0]);
  for (let op = 0; op < 6; op += 1) add(`RTR operation ${op}`, 0, 0, 0, D.RTR, [op, SDRAM + 8192, 0]);
  add("fixed route register", 0, 0, 0, C.READ, [0xe100_0084, 4, 2]);

  for (let op = 0; op < 8; op += 1) add(`IPTAG operation ${op}`, 0, 0, 0, D.IPTAG, [(op << 16) | 1, 50_000, 0x0100_007f]);
  add("IPTAG of no tag", 0, 0, 0, D.IPTAG, [(1 << 16) | 77, 50_000, 0x0100_007f]);
  add("IPTAG set", 0, 0, 0, D.IPTAG, [(1 << 16) | 3, 50_000, 0x0100_007f]);
  add("IPTAG get", 0, 0, 0, D.IPTAG, [(2 << 16) | 3, 1, 0], { ignore: [[4, 6]] });
  add("IPTAG get of a free one", 0, 0, 0, D.IPTAG, [(2 << 16) | 5, 1, 0]);
  add("IPTAG get of too many", 0, 0, 0, D.IPTAG, [(2 << 16) | 0, 9, 0]);
  add("IPTAG clear", 0, 0, 0, D.IPTAG, [(3 << 16) | 3, 0, 0]);
  add("IPTAG on a chip without Ethernet", 1, 1, 0, D.IPTAG, [(1 << 16) | 3, 50_000, 0x0100_007f]);

  for (const [x, y] of [
    [0, 0],
    [1, 1],
  ] as const) {
    add("LED", x, y, 0, D.LED, [0x3]);
    add("LED off", x, y, 0, D.LED, [0x2]);
  }
  add("SROM read", 0, 0, 0, D.SROM, [(48 << 16) | 32, 0x0300_0000]);
  add("SROM read of the list of dead parts", 0, 0, 0, D.SROM, [(16 << 16) | 32, 0x0300_0100]);
  add("SROM status", 0, 0, 0, D.SROM, [(1 << 16) | 8, 0x0500_0000]);
  for (const operation of [0, 1, 2, 3]) add(`SYNC ${operation}`, 0, 0, 0, D.SYNC, [operation]);

  // An application: loaded word by word, started on some cores, counted, signalled, stopped.
  for (let at = 0; at < application.length; at += 256) {
    const data = application.subarray(at, Math.min(at + 256, application.length));
    add("WRITE image", 0, 0, 0, C.WRITE, [0x6780_0000 + at, data.length, data.length % 4 === 0 ? 2 : 0], { data });
  }
  add("AR to wait", 0, 0, 0, C.AR, [(((30 << 24) | (1 << 18)) >>> 0) + 0b1110], { settleMs: 100 });
  for (const core of [1, 2, 3, 4]) add(`state of core ${core}`, 0, 0, 0, C.READ, [0xe500_7000 + 128 * core + 46, 1, 0]);
  for (const state of [5, 6, 7, 11]) add(`COUNT state ${state}`, 255, 255, 0, C.COUNT, [30, state]);
  add("COUNT idle cores", 0, 0, 0, C.COUNT, [0, 15]);
  add("COUNT from a chip without Ethernet", 1, 1, 0, C.COUNT, [30, 5]);
  add("VER of a core with an application", 0, 0, 1, C.VER, [], { ignore: [[8, 4]] });
  add("READ of its own memory", 0, 0, 1, C.READ, [0x0040_0000, 16, 2]);
  add("SIG of the cores", 0, 0, 0, C.SIG, [3, 0x00ff_0000 | 0xff00 | 30, 0xffff], { settleMs: 50 });
  add("NNP signal START", 255, 255, 0, C.NNP, [0x003f_0000, (3 << 16) | (0xff << 8) | 30, ((1 << 31) | (0x3f << 8)) >>> 0], {
    settleMs: 200,
  });
  for (const core of [1, 2, 3, 4]) add(`state of core ${core} after START`, 0, 0, 0, C.READ, [0xe500_7000 + 128 * core + 46, 1, 0]);
  add("NNP signal STOP", 255, 255, 0, C.NNP, [0x003f_0000, (2 << 16) | (0xff << 8) | 30, ((1 << 31) | (0x3f << 8)) >>> 0], {
    settleMs: 300,
  });
  for (const core of [1, 2, 3, 4]) add(`state of core ${core} after STOP`, 0, 0, 0, C.READ, [0xe500_7000 + 128 * core + 46, 1, 0]);
  add("INFO in the end", 0, 0, 0, D.INFO);

  // A core of an application dies of an unaligned read.
  add("READ at an odd address on a core", 0, 0, 3, C.READ, [0x6000_0001, 4, 2]);
  add("VER to the dead core", 0, 0, 3, C.VER);
  add("VER to the dead core again", 0, 0, 3, C.VER);
  return list;
}
