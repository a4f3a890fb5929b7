import { SpinnError } from "../../errors.js";
import type { Link } from "../../machine/index.js";
import { type Method, once, repeatable, run } from "../method.js";
import { bytes, chip, core, int, list, oneOf, optional, record, scalar, target, text } from "../parameter.js";

const ADDRESS = int("Address, 0 to 0xffffffff.", 0, 0xffffffff);
const APP_ID = int("Application id, 1 to 255.", 1, 255);
/** Most bytes one call may move: some seconds of a board's time, and far below what a Python client takes in one line. */
const MAX_CALL_BYTES = 16 * 1024 * 1024;
const LENGTH = int("Bytes, 16 MiB at most.", 0, MAX_CALL_BYTES);
const DATA = bytes("What to write, 16 MiB at most.", MAX_CALL_BYTES);
const TAG = int("Tag of the block, 0 to 255; 0 is none.", 0, 255);
const LINK = int("Link: 0 east, 1 north-east, 2 north, 3 west, 4 south-west, 5 south.", 0, 5);

/** Memory of chips: bytes, named fields, blocks of heaps. */
export const MEMORY_METHODS: Readonly<Record<string, Method>> = {
  read: repeatable("look", {
    about: "Reads memory of a chip.",
    parameters: { chip: target, address: ADDRESS, length: LENGTH },
    result: "bytes",
    call: async (board, { chip: where, address, length }, { signal }) =>
      (await board.machine()).readMemory(where, address, length, { signal }),
  }),
  write: repeatable("change", {
    about: "Writes memory of a chip.",
    parameters: { chip: target, address: ADDRESS, data: DATA },
    result: "None",
    call: async (board, { chip: where, address, data }, { signal }) =>
      (await board.machine()).writeMemory(where, address, data, { signal }),
  }),
  fill: run("change", {
    about: "Fills memory of a chip with a word.",
    parameters: {
      chip,
      address: ADDRESS,
      length: int("Bytes, a multiple of 4.", 0, 0x8000000),
      word: optional(int("The word, 32 bits.", 0, 0xffffffff), 0),
    },
    result: "None",
    call: async (board, { chip: where, address, length, word }, { signal, onProgress }) =>
      (await board.machine()).fillMemory(where, address, length, word, { signal, onProgress }),
  }),
  verify: repeatable("look", {
    about: "Reads memory and compares it; an error names the first difference.",
    parameters: { chip: target, address: ADDRESS, data: bytes("What must be there, 16 MiB at most.", MAX_CALL_BYTES) },
    result: "None",
    call: async (board, { chip: where, address, data }, { signal }) =>
      (await board.machine()).verifyMemory(where, address, data, { signal }),
  }),
  read_many: repeatable("look", {
    about: "Reads many ranges of any chips at once, all boards side by side. 16 MiB together at most.",
    parameters: { ranges: list("Ranges, dicts {chip, address, length}.", record({ chip: target, address: ADDRESS, length: LENGTH })) },
    result: "[bytes], one for each range",
    call: async (board, { ranges }, { signal }) => {
      checkTotal(ranges.reduce((sum, { length }) => sum + length, 0));
      return (await board.machine()).readMany(
        ranges.map(({ chip: where, address, length }) => ({ ...where, address, length })),
        { signal },
      );
    },
  }),
  write_many: repeatable("change", {
    about: "Writes many pieces to any chips at once, all boards side by side. 16 MiB together at most.",
    parameters: { pieces: list("Pieces, dicts {chip, address, data}.", record({ chip: target, address: ADDRESS, data: DATA })) },
    result: "None",
    call: async (board, { pieces }, { signal }) => {
      checkTotal(pieces.reduce((sum, { data }) => sum + data.length, 0));
      await (await board.machine()).writeMany(
        pieces.map(({ chip: where, address, data }) => ({ ...where, address, data })),
        { signal },
      );
    },
  }),
  read_link: repeatable("look", {
    about: "Reads memory of the chip behind a link, whether or not it answers itself. Whole words.",
    parameters: { chip, link: LINK, address: ADDRESS, length: LENGTH },
    result: "bytes",
    call: async (board, { chip: where, link, address, length }, { signal }) =>
      (await board.machine()).readLinkMemory(where, link as Link, address, length, { signal }),
  }),
  write_link: repeatable("change", {
    about: "Writes memory of the chip behind a link. Whole words.",
    parameters: { chip, link: LINK, address: ADDRESS, data: DATA },
    result: "None",
    call: async (board, { chip: where, link, address, data }, { signal }) =>
      (await board.machine()).writeLinkMemory(where, link as Link, address, data, { signal }),
  }),
  read_variable: repeatable("look", {
    about: "Reads a system variable of a chip by its name in SC&MP's struct sv, e.g. clock_ms.",
    parameters: { chip, name: text("Name of the field.", 64) },
    result: "int, str or list",
    call: async (board, { chip: where, name }, { signal }) => (await board.machine()).readSystemVariable(where, name, { signal }),
  }),
  read_core_field: repeatable("look", {
    about: "Reads a field of the block that SC&MP keeps for a core, by its name in struct vcpu, e.g. user0.",
    parameters: { core, name: text("Name of the field.", 64) },
    result: "int, str or list",
    call: async (board, { core: where, name }, { signal }) => (await board.machine()).readCoreField(where, name, { signal }),
  }),
  write_core_field: repeatable("change", {
    about: "Writes a field of a core's vcpu block; user0 to user3 are there for that.",
    parameters: { core, name: text("Name of the field.", 64), value: scalar("Number or text.") },
    result: "None",
    call: async (board, { core: where, name, value }, { signal }) => (await board.machine()).writeCoreField(where, name, value, { signal }),
  }),
  allocate: once("change", {
    about: "Allocates SDRAM of a chip; stopping the application frees it.",
    parameters: { chip, size: int("Bytes.", 1, 0x8000000), app_id: APP_ID, tag: optional(TAG, 0) },
    result: "address",
    call: async (board, { chip: where, size, app_id: appId, tag }, { signal }) =>
      (await board.machine()).allocate(where, size, { appId, tag, signal }),
  }),
  free: once("change", {
    about: "Frees an allocated block.",
    parameters: { chip, address: ADDRESS },
    result: "None",
    call: async (board, { chip: where, address }, { signal }) => (await board.machine()).free(where, address, { signal }),
  }),
  free_all: repeatable("change", {
    about: "Frees all blocks of an application on a chip.",
    parameters: { chip, app_id: APP_ID },
    result: "number of blocks",
    call: async (board, { chip: where, app_id: appId }, { signal }) => (await board.machine()).freeAll(where, appId, { signal }),
  }),
  find_block: repeatable("look", {
    about: "The block that an application has allocated with a tag.",
    parameters: { chip, app_id: APP_ID, tag: int("Tag, 1 to 255.", 1, 255) },
    result: "address or None",
    call: async (board, { chip: where, app_id: appId, tag }, { signal }) =>
      (await board.machine()).findByTag(where, appId, tag, { signal }),
  }),
  space: repeatable("look", {
    about: "Free SDRAM of a chip.",
    parameters: { chip },
    result: "{free, largest_block}, bytes",
    call: async (board, { chip: where }, { signal }) => (await board.machine()).readSpace(where, { signal }),
  }),
  heap: repeatable("look", {
    about: "The blocks of a chip's heap, in order.",
    parameters: { chip, heap: optional(oneOf("Which heap.", ["sdram", "sysram", "system"]), "sdram") },
    result: "{free_bytes, blocks: [{address, size_bytes, free, app_id, tag}]}",
    call: async (board, { chip: where, heap }, { signal }) => (await board.machine()).readHeap(where, heap, { signal }),
  }),
};

function checkTotal(sizeBytes: number): void {
  if (sizeBytes <= MAX_CALL_BYTES) return;
  throw new SpinnError("ERR_SPINN_ARGUMENT", `${sizeBytes} bytes in one call; ${MAX_CALL_BYTES} are the most`, { hint: "call more often" });
}
