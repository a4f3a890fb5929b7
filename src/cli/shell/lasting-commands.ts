import { readInputFile } from "../file.js";
import { type LastingMemory, rewrite } from "./backup.js";
import { hex8, type ShellCommand } from "./command.js";
import { dumpBytes, SHOWN } from "./dump.js";
import type { ShellSession } from "./session.js";

/** A lasting memory as commands name it. */
export interface LastingPlace<S extends ShellSession> {
  /** In words: `serial ROM`. */
  readonly what: string;
  readonly sizeBytes: number;
  /** Of addresses that are written to. Default 1. */
  readonly multipleOf?: number;
  memoryOf(session: S): LastingMemory;
}

/** Shows 256 bytes from an address on. */
export function showing<S extends ShellSession>({ what, sizeBytes, memoryOf }: LastingPlace<S>): ShellCommand<S> {
  return {
    usage: "[<addr.X>]",
    purpose: `Show ${SHOWN} bytes of the ${what}`,
    parse(words) {
      const at = words.left === 0 ? 0 : words.hex("address", sizeBytes - SHOWN);
      return async (session) => session.out(dumpBytes(at, await memoryOf(session).read(at, SHOWN)));
    },
  };
}

/** Writes a file, after what was there has been saved, and reads it back. `before` and `after` are what is printed of its bytes. */
export function writing<S extends ShellSession>(
  { what, sizeBytes, multipleOf = 1, memoryOf }: LastingPlace<S>,
  {
    before = () => "",
    after = () => "",
  }: { readonly before?: (bytes: Uint8Array) => string; readonly after?: (bytes: Uint8Array) => string } = {},
): ShellCommand<S> {
  return {
    usage: "<file.F> <addr.X>",
    purpose: `Write a file into the ${what}, and read it back`,
    parse(words) {
      const file = words.text("file");
      const at = words.hex("address", sizeBytes - 1);
      if (at % multipleOf !== 0) throw words.wrong(`address ${hex8(at)} is no multiple of ${multipleOf.toString(16)}`);
      return async (session) => {
        const bytes = await readInputFile(file, "file to write");
        if (at + bytes.length > sizeBytes) throw words.wrong(`${bytes.length} bytes at ${hex8(at)} reach past the end of the ${what}`);
        session.out(before(bytes));
        await rewrite(session, memoryOf(session), at, bytes);
        session.out(after(bytes));
      };
    },
  };
}
