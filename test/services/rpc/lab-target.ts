import { describeTarget, float, PyFloat, RemoteError } from "../../../src/services/rpc/index.js";

class LabError extends Error {
  override readonly name = "LabError";
}

/** The target that the recorded sessions were made with, in TypeScript. */
export class Plain {
  ping(): boolean {
    return true;
  }

  echo(x: unknown): unknown {
    return x;
  }

  /** An int times a float is a float, in Python. */
  add(a: number, b: number, scale: number | PyFloat): number | PyFloat {
    const product = (a + b) * Number(scale);
    return scale instanceof PyFloat ? float(product) : product;
  }

  fail(): never {
    throw new RemoteError("ValueError", 'bad "value"\nsecond line');
  }

  fail_lab(): never {
    throw new LabError("board off");
  }

  unserialisable(): unknown {
    return Symbol("nothing PYON knows");
  }

  async later(ms: number): Promise<string> {
    await new Promise((resolve) => setTimeout(resolve, Number(ms)));
    return "done";
  }

  _hidden(): string {
    return "never";
  }
}

export interface PlainMethods {
  ping(): boolean;
  echo<T>(x: T): T;
  add(a: number, b?: number): number;
  fail(): never;
  fail_lab(): never;
  unserialisable(): unknown;
  later(ms: number): Promise<string>;
}

export function plainTarget(): Plain {
  return describeTarget(new Plain(), {
    doc: "Methods of a small target.",
    methods: {
      add: {
        doc: "Add two numbers.\n\nThe second line of the docstring.",
        args: [
          { name: "a", type: "int" },
          { name: "b", type: "int", default: 1 },
        ],
        keywordOnly: [{ name: "scale", default: 1 }],
        returns: "int",
      },
    },
  });
}
