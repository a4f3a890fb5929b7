import type { VerbEntry, VerbTable } from "./job.js";

const entry = (group: string, purpose: string, load: VerbEntry["load"]): VerbEntry => ({ group, purpose, load });

const WHOLE = "From nothing to running";
const MACHINE = "The machine";
const MEMORY = "Memory";
const APPLICATIONS = "Applications";
const NETWORK = "Packets";
const BOARD = "Power and sensors (through the BMP)";
const LOAN = "Boards on loan (through a spalloc server)";
const LAB = "A board that others use too";
const HELP = "Help";

/** Every verb, in the order of the help. */
export const VERBS: VerbTable = {
  bringup: entry(WHOLE, "run a bring-up script: power, boot, load, start, read results", () => import("./verbs/bringup.js")),
  ybug: entry(WHOLE, "run a script of ybug commands, or take them at a prompt", () => import("./verbs/ybug.js")),
  bmpc: entry(WHOLE, "run a script of bmpc commands to a BMP, or take them at a prompt", () => import("./verbs/bmpc.js")),
  simulate: entry(WHOLE, "run a simulated machine that answers as a board does", () => import("./verbs/simulate.js")),
  faults: entry(WHOLE, "show and switch the faults of a simulated machine while it runs", () => import("./verbs/faults.js")),
  replay: entry(WHOLE, "send a recorded session again and say where the answers differ", () => import("./verbs/replay.js")),
  test: entry(WHOLE, "run an application on a simulated machine and compare what its cores say", () => import("./verbs/test.js")),
  discover: entry(WHOLE, "listen for boards that have power and are not booted", () => import("./verbs/discover.js")),
  boot: entry(WHOLE, "boot a machine; does nothing to a booted one", () => import("./verbs/boot.js")),
  doctor: entry(WHOLE, "find out step by step why a board does not answer", () => import("./verbs/doctor.js")),
  info: entry(MACHINE, "say what is there: a board or a BMP, its parts and what is odd", () => import("./verbs/info.js")),
  map: entry(MACHINE, "draw the machine, in the terminal or as SVG", () => import("./verbs/map.js")),
  ps: entry(MACHINE, "list cores, their states and applications", () => import("./verbs/ps.js")),
  registers: entry(MACHINE, "show what a core left when it crashed, and what its error means", () => import("./verbs/registers.js")),
  links: entry(MACHINE, "show links that do not work, or where links lead", () => import("./verbs/links.js")),
  leds: entry(MACHINE, "switch LEDs of a chip", () => import("./verbs/leds.js")),
  bench: entry(MACHINE, "measure how fast memory is written and read", () => import("./verbs/bench.js")),
  read: entry(MEMORY, "read memory, or a system variable by name", () => import("./verbs/read.js")),
  write: entry(MEMORY, "write memory, or a system variable by name", () => import("./verbs/write.js")),
  fill: entry(MEMORY, "fill memory with a word", () => import("./verbs/fill.js")),
  dump: entry(MEMORY, "save memory of chips to a folder", () => import("./verbs/dump.js")),
  restore: entry(MEMORY, "write back what dump has saved", () => import("./verbs/restore.js")),
  heap: entry(MEMORY, "list the blocks of a chip's heaps and their owners", () => import("./verbs/heap.js")),
  load: entry(APPLICATIONS, "load an application on cores and see that it started", () => import("./verbs/load.js")),
  start: entry(APPLICATIONS, "start an application that was loaded to wait", () => import("./verbs/start.js")),
  signal: entry(APPLICATIONS, "send a signal to an application", () => import("./verbs/signal.js")),
  wait: entry(APPLICATIONS, "wait until cores are in a state", () => import("./verbs/wait.js")),
  iobuf: entry(APPLICATIONS, "print the text that cores have written", () => import("./verbs/iobuf.js")),
  stop: entry(APPLICATIONS, "end an application and give back what it took", () => import("./verbs/stop.js")),
  router: entry(NETWORK, "show what routers have counted", () => import("./verbs/router.js")),
  routes: entry(NETWORK, "show, load or clear the multicast routes of a chip", () => import("./verbs/routes.js")),
  tags: entry(NETWORK, "show and set IP tags", () => import("./verbs/tags.js")),
  stream: entry(NETWORK, "follow a running simulation: frames over IMD, or live events", () => import("./verbs/stream.js")),
  power: entry(BOARD, "switch boards on and off, and say whether they are", () => import("./verbs/power.js")),
  reset: entry(BOARD, "reset boards", () => import("./verbs/reset.js")),
  bmp: entry(BOARD, "look at boards of a frame: serial numbers, addresses, FPGA registers, LEDs, flash", () => import("./verbs/bmp.js")),
  sensors: entry(BOARD, "show voltages, temperatures and fans, with verdicts", () => import("./verbs/sensors.js")),
  alloc: entry(LOAN, "take boards, run a command on them, give them back", () => import("./verbs/alloc.js")),
  jobs: entry(LOAN, "list, follow and end the jobs of an allocation server", () => import("./verbs/jobs.js")),
  machines: entry(LOAN, "list the machines of an allocation server, and find a board in them", () => import("./verbs/machines.js")),
  serve: entry(LAB, "serve a board to others: calls and live state, as an ARTIQ controller", () => import("./verbs/serve.js")),
  engine: entry(LAB, "make boards engines of an IPython cluster: clients of any language call them", () => import("./verbs/engine.js")),
  runs: entry(LAB, "list what a controller runs, has run and will run", () => import("./verbs/runs.js")),
  watch: entry(LAB, "follow a run until it ends", () => import("./verbs/watch.js")),
  pause: entry(LAB, "pause a run at its next safe point", () => import("./verbs/pause.js")),
  resume: entry(LAB, "let a paused run go on", () => import("./verbs/resume.js")),
  step: entry(LAB, "let a paused run go on for a step", () => import("./verbs/step.js")),
  "stop-run": entry(LAB, "ask a run to end", () => import("./verbs/stop-run.js")),
  help: entry(HELP, "explain a verb, or a topic: boards, places, addresses, output, status, safety", () => import("./verbs/help.js")),
  completion: entry(HELP, "print a completion script for bash, zsh or fish", () => import("./verbs/completion.js")),
};
