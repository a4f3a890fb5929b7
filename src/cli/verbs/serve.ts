import { networkInterfaces } from "node:os";
import { ACCESS, type Access, CONTROLLER_PORT, Controller, type ControllerOptions, serveController } from "../../controller/index.js";
import { formatCore } from "../../machine/index.js";
import type { TlsServerIdentity } from "../../services/rpc/index.js";
import type { SimulatedMachine } from "../../simulator/index.js";
import { parseAccess } from "../access.js";
import { inventoryPath, parsePort, resolveBoard } from "../board.js";
import { readInventory } from "../inventory.js";
import type { Job, Verb } from "../job.js";
import { parseInteger } from "../number.js";
import { usage } from "../usage.js";
import { readPem } from "../via.js";
import { addWebOptions, servePage } from "../web.js";

interface Options {
  readonly host?: string;
  readonly boardPort?: number;
  readonly bmp?: string;
  readonly bind?: string[];
  readonly localhostBind: boolean;
  readonly port?: number;
  readonly notifyPort?: number;
  readonly scripts?: string;
  readonly simulation?: boolean;
  readonly allow?: Access;
  readonly webAllow?: boolean;
  readonly tlsCert?: string;
  readonly tlsKey?: string;
  readonly tlsCa?: string;
}

/** What there is to be afraid of. */
const CAN: Readonly<Record<Access, string>> = {
  look: "can read all of the machine",
  change: "can use the board and what runs on it",
  disturb: "can use, boot and switch the board",
};

/** Addresses that mean all of them, on a computer that may have no IPv6. */
const all = (): string[] =>
  Object.values(networkInterfaces()).some((own) => own?.some(({ family }) => family === "IPv6")) ? ["0.0.0.0", "::"] : ["0.0.0.0"];
const parseOpenPort = (text: string): number => parseInteger("port", text, 0, 65535);

export const verb: Verb = {
  configure: (command) =>
    void addWebOptions(command)
      .option("--host <host>", "board: address, name, host:port, or a name of the inventory (default: $SPINN_HOST)")
      .option("--board-port <n>", "UDP port of the board (default: 17893)", parsePort)
      .option("--bmp <host>", "its board management processor, host or host:port (default: that of the inventory)")
      .option("--simulation", "a simulated board of 48 chips instead of a real one")
      .option("-p, --port <n>", `TCP port of the calls, 0 for any free one (default: ${CONTROLLER_PORT})`, parseOpenPort)
      .option("--notify-port <n>", "TCP port of the published state (default: the port of the calls plus 1)", parseOpenPort)
      .option("--bind <address>", "address to listen on besides 127.0.0.1; * is all; may be repeated", (one, others: string[] = []) => [
        ...others,
        one,
      ])
      .option("--no-localhost-bind", "do not listen on 127.0.0.1")
      .option(
        "--allow <what>",
        `what callers may do: ${ACCESS.join(", ")}, each with those before (default: disturb; see spinn help safety)`,
        parseAccess,
      )
      .option("--tls-cert <file>", "certificate, PEM: calls and state are encrypted then; needs --tls-key")
      .option("--tls-key <file>", "its key, PEM")
      .option(
        "--tls-ca <file>",
        "certificates of clients, or of who has issued them, PEM: others are refused (default: no client needs one)",
      )
      .option("--scripts <folder>", "folder of bring-up scripts that callers may run (default: none)"),
  examples: [
    "serve --simulation # a controller without a board; try spinn runs, or sipyco_rpctool 127.0.0.1 3277 list-methods -t board",
    "serve --host 192.168.240.1 --web --web-allow # and a page to look at and to steer runs from; it prints the page's address",
    "serve --host 192.168.240.1 --bmp 192.168.240.0 --bind 10.0.0.5 --scripts /srv/bringup # elsewhere then: spinn info --via 10.0.0.5",
    "serve --host 192.168.240.1 --bind '*' --allow look # everybody may watch, nobody may touch",
  ],
  statuses: [4],
  async run(job, command) {
    const options = command.opts<Options>();
    const bind = bindOf(options);
    if (options.allow === "look" && options.webAllow)
      throw usage("--allow look and --web-allow: what nobody may do, the page may not do either");
    const tls = await identityOf(options);
    await using machine = options.simulation ? await simulate(job) : undefined;
    const board = machine === undefined ? await named(options) : addressesOf(machine);
    const controller = new Controller({ ...board, isSimulation: options.simulation ?? false, scriptFolder: options.scripts });
    const { port, notifyPort, allow = "disturb" } = options;
    await using served = await serveController(controller, { bind, port, notifyPort, allow, tls });
    await using page = await servePage(job, command, controller);
    if (!options.simulation) void tell(job, controller);
    const data = {
      ready: true,
      board: board.host,
      simulation: options.simulation ?? false,
      bind,
      port: served.port,
      notifyPort: served.notifyPort,
      allow,
      tls: tls !== undefined,
      ...page.data,
    };
    job.result(
      data,
      () =>
        `ready: board ${board.host}, calls on port ${served.port}, state on port ${served.notifyPort} of ${bind.join(" ")}\n${page.text}`,
    );
    if (bind.some((address) => address !== "127.0.0.1" && address !== "::1")) {
      if (tls?.peerCert === undefined) job.say(`WARNING:spinn:whoever reaches these addresses ${CAN[allow]}: there is no password`);
    }
    const reason = await ended(job, served.terminated);
    job.say(`INFO:spinn:ending: ${reason}`);
    return undefined;
  },
};

/** Says whether the board answers. The server stays when it does not: an unbooted board can be booted through it. */
async function tell(job: Job, controller: Controller): Promise<void> {
  if (await controller.ping()) job.say(`INFO:spinn:board ${controller.board.options.host} answers`);
  else job.say(`WARNING:spinn:board ${controller.board.options.host} does not answer; it is asked again with every call`);
}

async function identityOf({ tlsCert, tlsKey, tlsCa }: Options): Promise<TlsServerIdentity | undefined> {
  if (tlsCert === undefined && tlsKey === undefined && tlsCa === undefined) return undefined;
  if (tlsCert === undefined || tlsKey === undefined) throw usage("TLS needs a certificate and its key", "give --tls-cert and --tls-key");
  const own = { cert: await readPem(tlsCert), key: await readPem(tlsKey) };
  return tlsCa === undefined ? own : { ...own, peerCert: await readPem(tlsCa) };
}

async function named({ host, boardPort, bmp }: Options): Promise<ControllerOptions> {
  const inventory = await readInventory(inventoryPath());
  const said = host ?? process.env["SPINN_HOST"];
  if (said === undefined || said === "") throw usage("no board is named", "give --host HOST, set SPINN_HOST, or try --simulation");
  const board = resolveBoard(said, inventory);
  const bmpText = bmp ?? board.bmp;
  const { host: bmpHost, port: bmpPort } = bmpText === undefined ? { host: undefined, port: undefined } : resolveBoard(bmpText, inventory);
  return {
    host: board.host,
    port: boardPort ?? board.port,
    bmp: bmpHost === undefined ? undefined : { host: bmpHost, port: bmpPort },
  };
}

async function simulate(job: Job): Promise<SimulatedMachine> {
  const { SimulatedMachine: Machine } = await import("../../simulator/index.js");
  const { armProgram } = await import("../../emulator/index.js");
  const programs = armProgram({
    onTrouble: ({ x, y, p, message }) => job.say(`WARNING:simulation:core ${formatCore({ x, y, p })}: ${message}`),
  });
  return Machine.start({ board: "spin5", port: 0, programs });
}

function addressesOf(machine: SimulatedMachine): ControllerOptions {
  const { host, port } = machine.boards[0]!.address;
  return { host, port, bootPort: machine.bootAddress.port, bmp: machine.bmps[0]?.address };
}

function bindOf({ bind = [], localhostBind }: Options): string[] {
  if (bind.includes("*")) return all();
  const addresses = [...new Set([...(localhostBind ? ["127.0.0.1"] : []), ...bind])];
  if (addresses.length === 0) throw usage("--no-localhost-bind leaves no address to listen on", "give one with --bind");
  return addresses;
}

/** Until a client calls terminate, or the process is told to end: all usual ways, so no error. */
function ended(job: Job, terminated: Promise<void>): Promise<string> {
  return new Promise((resolve) => {
    const hangUp = (): void => done("SIGHUP");
    const interrupt = (): void => done(String(job.signal.reason));
    const done = (reason: string): void => {
      process.off("SIGHUP", hangUp);
      job.signal.removeEventListener("abort", interrupt);
      resolve(reason);
    };
    process.on("SIGHUP", hangUp);
    job.signal.addEventListener("abort", interrupt);
    void terminated.then(() => done("a client called terminate"));
    if (job.signal.aborted) interrupt();
  });
}
