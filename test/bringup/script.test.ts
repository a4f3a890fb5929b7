import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { type BringupScript, bringup, parseScript, type Script, STEP_KINDS, scriptSchema } from "../../src/bringup/index.js";
import { SpinnError } from "../../src/errors.js";

function refusal(make: () => Script): string[] {
  try {
    make();
  } catch (error) {
    if (error instanceof SpinnError && error.code === "ERR_SPINN_SCRIPT") return error.message.split("\n");
    throw error;
  }
  throw new Error("the script was taken");
}

const steps = (yaml: string): Script => parseScript(`steps:\n${yaml}`, { name: "t.yaml" });

describe("values", () => {
  const valuesOf = (yaml: string): unknown => steps(`- ${yaml}`).steps[0]!.values;

  it.each([
    ["sleep: 2s", { time: 2000 }],
    ["sleep: 1.5min", { time: 90_000 }],
    ["sleep: { time: 10ms }", { time: 10 }],
    ["power: on", { state: "on" }],
    ["power: { state: cycle, boards: 3 }", { state: "cycle", boards: [3] }],
    ["power: { state: off, boards: [1, 2] }", { state: "off", boards: [1, 2] }],
    [
      "boot: { image: scamp.boot, version: 5, variables: { soft_wdog: 0 } }",
      { image: { input: "scamp.boot" }, version: 5, variables: { soft_wdog: 0 } },
    ],
    ["wait:", {}],
    ["check-version: 4", { scamp: { comparison: "=", numbers: [4] } }],
    ["check-version: 4.0", { scamp: { comparison: "=", numbers: [4, 0] } }],
    ['check-version: ">=3.4.1"', { scamp: { comparison: ">=", numbers: [3, 4, 1] } }],
    ["load: { file: a.aplx, cores: '1,2,3-5' }", { file: { input: "a.aplx" }, cores: [3, 4, 5].map((p) => ({ x: 1, y: 2, p })) }],
    ["load: { file: a.aplx, cores: '@all', app: 31 }", { file: { input: "a.aplx" }, cores: "all", app: 31 }],
    [
      "load: { file: a.aplx, cores: ['0,0,1', { x: 1, y: 0, p: 17 }] }",
      {
        file: { input: "a.aplx" },
        cores: [
          { x: 0, y: 0, p: 1 },
          { x: 1, y: 0, p: 17 },
        ],
      },
    ],
    [
      "read: { at: '1,2', address: 0x60240000, size: 4K, file: out.bin }",
      { at: { x: 1, y: 2 }, address: { address: 0x60240000 }, size: 4096, file: "out.bin" },
    ],
    [
      "read: { at: '1,2,3', address: user0, size: 0x10, file: out.bin }",
      { at: { x: 1, y: 2, p: 3 }, address: { user: 0 }, size: 16, file: "out.bin" },
    ],
    [
      "write: { at: '1,2', address: 0x60240000, values: [1, 0xff, -1], unit: u16 }",
      { at: { x: 1, y: 2 }, address: { address: 0x60240000 }, values: [1, 255, -1], unit: "u16" },
    ],
    ["wait-for-state: { state: [exit, SYNC0], count: 17 }", { state: [11, 8], count: 17 }],
    ["signal: usr1", { signal: 11 }],
    ["stop: 31", { app: 31 }],
    ["leds: { set: { 0: on, 1: invert }, chip: '0,0' }", { set: { 0: "on", 1: "invert" }, chip: { x: 0, y: 0 } }],
    ["tags: [{ tag: 1, port: 5, to: '1,2,3' }]", { set: [{ tag: 1, port: 5, to: { x: 1, y: 2, p: 3 } }] }],
  ])("%s", (yaml, values) => {
    expect(valuesOf(yaml)).toEqual(values);
  });

  it("a step that needs nothing may be a word", () => {
    expect(steps("- start\n- stop").steps.map(({ kind }) => kind)).toEqual(["start", "stop"]);
  });
});

describe("what is wrong is said with line and column", () => {
  it.each([
    ["- lode: x", 't.yaml:2:3: unknown step "lode"; did you mean "load"?'],
    ["- load: { file: a, core: '0,0,1' }", 't.yaml:2:20: unknown key in step load: "core"; did you mean "cores"?'],
    ["- sleep: 2", "t.yaml:2:10: 2 is not a time with its unit, e.g. 500ms, 2s or 1min"],
    ["- power: ON", 't.yaml:2:10: unknown state "ON"; did you mean "on"?'],
    ["- power: onn", 't.yaml:2:10: unknown state "onn"; did you mean "on"?'],
    ["- power: true", 't.yaml:2:10: unknown state "true"; known are on, off, cycle'],
    ["- load: { file: a.aplx }", 't.yaml:2:9: step load needs "cores": cores, e.g. 0,0,1-17, a list of such, or @all'],
    ["- load:", /step load needs "file": the name of a file/],
    ["- load: { file: a, cores: 0,0,1 }", /inside braces YAML ends a value at a comma/],
    ["- load: { file: a, cores: '0,0,0-3' }", /core 0,0,0 is the monitor/],
    ["- load: { file: a, cores: '0,0,18' }", /core must be a whole number from 0 to 17, not 18/],
    ["- read: { at: '0,0', address: 60240000, size: 4, file: f }", /60240000 is not an address \(did you mean 0x60240000\?\)/],
    ["- read: { at: '0,0', address: 0x160240000, size: 4, file: f }", /address must be a whole number/],
    ["- read: { at: '0,0', address: user0, size: 4, file: f }", /name the core in "at"/],
    ["- read: { at: '0,0', address: 0x60240000, size: 4X, file: f }", /"4X" is not a size/],
    ["- read: { at: 'a,b', address: 0x60240000, size: 4, file: f }", /"a,b" is no place/],
    ["- write: { at: '0,0', address: 0x60240000 }", /give either "values" or "file"/],
    ["- write: { at: '0,0', address: 0x60240000, values: [256], unit: u8 }", /256 does not fit into u8/],
    ["- wait-for-state: RUNNING_WILD", /"RUNNING_WILD" is no state of a core/],
    ["- signal: BANG", /"BANG" is no signal/],
    ["- stop: 0", /application id 0 is the system's own/],
    ["- stop: 256", /256/],
    ["- check-version:", /nothing to check/],
    ["- check-version: new", /"new" is not a version/],
    ["- leds: { set: { 16: on }, chip: '0,0' }", /LED must be a whole number from 0 to 15/],
    ["- leds: { set: { 0: on } }", /give either "chip" or "boards"/],
    ["- tags: { tag: 1, port: 17892 }", /unknown key in step tags: "tag"; /],
    ["- tags: [{ tag: 8, port: 1 }]", /tag must be a whole number from 0 to 7, not 8/],
    ["- routes: { chip: '0,0', entries: [{ key: 0x11, mask: 0x10 }] }", /never matches/],
    ["- boot: { image: f, variables: { soft_dog: 0 } }", /soft_dog/],
    ["- sleep: 1s\n  wait: 2s", 't.yaml:3:3: "wait" stands in the same step as "sleep"; begin each step with a dash'],
    ["- name: nothing", /a step without work/],
    ["- [1]", /a step is its name and what it needs/],
    ["- sleep: &a 1s\n- sleep: *a", /anchors, aliases/],
    ["- sleep: 1s\n- sleep: {time: 1s", /t\.yaml:3:\d+: /],
    ["- load: { file: a, file: b, cores: '0,0,1' }", /t\.yaml:2:\d+: Map keys must be unique/],
  ] as [string, string | RegExp][])("%s", (yaml, words) => {
    const lines = refusal(() => steps(yaml));
    if (typeof words === "string") expect(lines).toEqual([words]);
    else expect(lines.join("\n")).toMatch(words);
  });

  it("all at once, in the order of the text, and as values", () => {
    const yaml = "nme: x\nsteps:\n  - sleep: soon\n  - power: maybe\n  - jump\n";
    const lines = refusal(() => parseScript(yaml, { name: "t.yaml" }));
    expect(lines.map((line) => line.split(": ")[0])).toEqual(["t.yaml:1:1", "t.yaml:3:12", "t.yaml:4:12", "t.yaml:5:5"]);
    try {
      parseScript(yaml);
    } catch (error) {
      expect((error as SpinnError).cause).toMatchObject({ problems: [{ line: 1, column: 1, path: "nme" }, {}, {}, {}] });
    }
  });

  it.each([
    ["", /a script is a map with "steps"/],
    ["- sleep: 1s", /a script is a map with "steps"/],
    ["name: x", /a script needs "steps"/],
    ["steps: []", /a script needs "steps"/],
    ["app: 300\nsteps: [stop]", /1:6: .*300/],
  ])("script %j", (yaml, words) => {
    expect(refusal(() => parseScript(yaml)).join("\n")).toMatch(words);
  });
});

describe("variables", () => {
  // Written this way so that nobody takes them for a forgotten template.
  const v = (name: string): string => ["$", "{", name, "}"].join("");
  const yaml = `board: ${v("host")}\nvariables: { host: 10.0.0.1, app: 40, pause: 1s }\napp: ${v("app")}\nsteps:\n  - sleep: ${v("pause")}\n  - boot: images/${v("host")}.boot\n`;

  it("come from the script, or before that from the caller", () => {
    const own = parseScript(yaml);
    expect([own.board.host, own.appId, own.steps[0]!.values]).toEqual(["10.0.0.1", 40, { time: 1000 }]);
    const given = parseScript(yaml, { variables: { host: "spin", app: "41" } });
    expect([given.board.host, given.appId, given.steps[1]!.values]).toEqual(["spin", 41, { image: { input: "images/spin.boot" } }]);
  });

  it("must be known", () => {
    expect(refusal(() => parseScript(`steps:\n  - sleep: ${v("pauze")}\n`, { variables: { pause: "1s" }, name: "t" }))[0]).toBe(
      't:2:12: unknown variable "pauze"; did you mean "pause"?',
    );
  });

  it("are refused when the script knows nothing of them, unless they belong to the board", () => {
    const yaml = `variables: { cores: "0,0,1", pause: 1s }\nsteps:\n  - sleep: ${v("pause")}\n`;
    const refused = (variables: Record<string, string>): SpinnError => {
      try {
        parseScript(yaml, { variables, name: "t.yaml" });
      } catch (error) {
        if (error instanceof SpinnError) return error;
      }
      throw new Error("taken");
    };
    const near = refused({ corez: "1" });
    expect([near.code, near.message]).toEqual(["ERR_SPINN_ARGUMENT", 't.yaml has no variable "corez"']);
    expect(near.hint).toBe('did you mean "cores"? its variables are cores, pause');
    expect(refused({ nonsense: "1" }).hint).toBe("its variables are cores, pause");
    const lenient = parseScript(yaml, { boardVariables: { pause: "2s", "board.name": "b1", other: 1 } });
    expect(lenient.steps[0]!.values).toEqual({ time: 2000 });
    const given = parseScript(yaml, { variables: { pause: "3s" }, boardVariables: { pause: "2s" } });
    expect(given.steps[0]!.values).toEqual({ time: 3000 });
    expect(refusal(() => parseScript("variables: { board.name: x }\nsteps: [stop]"))[0]).toMatch(/"board\.name": names that begin/);
  });

  it("tell of the board, the script's own or the run's", () => {
    const yaml = (head: string): string => `${head}\nsteps:\n  - sleep: 1ms\n    name: at ${v("board.name")}, slot ${v("board.slot")}\n`;
    const own = parseScript(yaml(`variables: { h: spin }\nboard: { host: '${v("h")}', slot: 3 }`));
    expect(own.steps[0]!.words).toBe("at spin, slot 3");
    const told = parseScript(yaml("board: spin"), { boardVariables: { "board.name": "b7", "board.slot": 7 } });
    expect(told.steps[0]!.words).toBe("at b7, slot 7");
    expect(refusal(() => parseScript(yaml("app: 31"), { name: "t" }))[0]).toBe(
      't:4:11: "board.name" is known only when the run is told its board',
    );
    expect(refusal(() => parseScript(yaml("board: spin"), { name: "t" }))[0]).toMatch(/unknown variable "board\.slot"/);
  });

  it("are not searched again, nor found where no object member was meant", () => {
    expect(refusal(() => parseScript(`steps:\n  - sleep: ${v("constructor")}\n`))[0]).toMatch(/unknown variable "constructor"/);
    const script = parseScript(`variables: { b: c }\nname: a ${v("a")} b\nsteps: [stop]`, { variables: { a: v("b") } });
    expect(script.name).toBe(`a ${v("b")} b`);
  });
});

describe("objects", () => {
  it("say the same as YAML", () => {
    const object: BringupScript = {
      board: { host: "10.0.0.1", bmp: "10.0.0.0" },
      app: 31,
      steps: [
        { power: "on" },
        { boot: { image: "scamp.boot" } },
        { load: { file: "a.aplx", cores: ["0,0,1-3", { x: 1, y: 1, p: 1 }], wait: true }, name: "the app" },
        { start: null },
        { read: { at: { x: 0, y: 0 }, address: 0x60240000, size: "4K", file: "o" } },
        { sleep: "1s" },
      ],
    };
    const yaml = `
board: { host: 10.0.0.1, bmp: 10.0.0.0 }
app: 31
steps:
  - power: on
  - boot: scamp.boot
  - load: { file: a.aplx, cores: ["0,0,1-3", "1,1,1"], wait: true }
    name: the app
  - start
  - read: { at: "0,0", address: 0x60240000, size: 4K, file: o }
  - sleep: 1s
`;
    const plain = (script: Script): unknown => [
      script.board,
      script.appId,
      script.steps.map(({ kind, values, words }) => [kind, values, words]),
    ];
    expect(plain(bringup(object))).toEqual(plain(parseScript(yaml)));
  });

  it("are told where they are wrong by path", () => {
    const steps = [{ power: "on" }, { load: { file: "a", cores: "0,0,0" } }] as const;
    expect(refusal(() => bringup({ steps }))).toEqual(["script: steps[1].load.cores: core 0,0,0 is the monitor and runs no application"]);
    const wild = { steps: [{ sleep: () => "1s" }] } as unknown as BringupScript;
    expect(refusal(() => bringup(wild))[0]).toMatch(/a function cannot stand here/);
    const round: { steps: unknown[] } = { steps: [] };
    round.steps.push(round);
    expect(refusal(() => bringup(round as unknown as BringupScript))[0]).toMatch(/contains itself/);
  });
});

describe("the schema for editors", () => {
  it("names every step and its fields, with words", () => {
    const schema = JSON.parse(JSON.stringify(scriptSchema())) as { properties: { steps: { items: { anyOf: { required: string[] }[] } } } };
    expect(schema.properties.steps.items.anyOf.map(({ required }) => required[0])).toEqual(Object.keys(STEP_KINDS));
    expect(JSON.stringify(schema)).toContain("Stop in state WAIT until the step");
  });
});

describe("the example", () => {
  it("is a script", () => {
    const script = parseScript(readFileSync(new URL("../../fixtures/bringup/spin5.yaml", import.meta.url), "utf8"));
    const kinds = ["power", "boot", "wait", "check-version", "load", "start", "wait-for-state", "read", "iobuf", "stop"];
    expect(script.steps.map(({ kind }) => kind)).toEqual(kinds);
    expect(script.board).toMatchObject({ host: "127.0.0.1", bmp: { host: "127.0.0.129" } });
  });
});
