import { once } from "node:events";
import { type AddressInfo, createServer, type Server, type Socket } from "node:net";

export interface Command {
  readonly command: string;
  readonly args: readonly unknown[];
  readonly kwargs: Readonly<Record<string, unknown>>;
}

/** `{ value }` is returned, `{ exception }` too, "close" hangs up, "silent" says nothing. */
export type Answer = { readonly value: unknown } | { readonly exception: string } | "close" | "silent";

/** A line server on a port of the system's choice that answers what a test says, and remembers what it was asked. */
export class FakeServer {
  readonly asked: Command[] = [];
  answer: (command: Command) => Answer;
  connections = 0;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  readonly #waiting = new Set<() => void>();

  private constructor(answer: (command: Command) => Answer) {
    this.answer = answer;
    this.#server = createServer((socket) => {
      this.connections += 1;
      this.#sockets.add(socket);
      this.#wake();
      let text = "";
      socket.on("error", () => {});
      socket.on("close", () => {
        this.#sockets.delete(socket);
        this.#wake();
      });
      socket.on("data", (chunk) => {
        const lines = (text + chunk.toString("utf8")).split("\n");
        text = lines.pop()!;
        for (const line of lines) this.#take(socket, JSON.parse(line) as Command);
      });
    });
  }

  static async start(answer: (command: Command) => Answer, port = 0): Promise<FakeServer> {
    const fake = new FakeServer(answer);
    fake.#server.listen(port, "127.0.0.1");
    await once(fake.#server, "listening");
    return fake;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  get openSockets(): number {
    return this.#sockets.size;
  }

  send(text: string): void {
    for (const socket of this.#sockets) socket.write(text);
  }

  hangUp(): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  count(command: string): number {
    return this.asked.filter((asked) => asked.command === command).length;
  }

  /** Resolves when `condition` holds, looked at after every command and every coming and going. */
  async until(condition: () => boolean): Promise<void> {
    while (!condition()) await new Promise<void>((resolve) => this.#waiting.add(resolve));
  }

  async close(): Promise<void> {
    if (!this.#server.listening) return;
    this.#server.close();
    this.hangUp();
    await once(this.#server, "close");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  #take(socket: Socket, command: Command): void {
    this.asked.push(command);
    const answer = this.answer(command);
    if (answer === "close") socket.destroy();
    else if (answer !== "silent") {
      socket.write(`${JSON.stringify("value" in answer ? { return: answer.value } : { exception: answer.exception })}\n`);
    }
    this.#wake();
  }

  #wake(): void {
    for (const resolve of [...this.#waiting]) {
      this.#waiting.delete(resolve);
      resolve();
    }
  }
}

const NAMES = { unknown: 0, queued: 1, power: 2, ready: 3, destroyed: 4 } as const;

/** Jobs of a server of the test's own making: every new one starts in `first`, the test moves it on with `set`. */
export class FakeJobs {
  readonly states = new Map<number, { state: keyof typeof NAMES; power: boolean | null; reason: string | null }>();
  first: keyof typeof NAMES = "queued";
  /** Hosts that are lent one by one, to jobs for one board; others get the triad. */
  readonly single: string[] = [];
  readonly #lent = new Map<number, string>();
  server: FakeServer | undefined;
  #lastId = 40;

  static async start(port = 0): Promise<FakeJobs & { readonly server: FakeServer }> {
    const jobs = new FakeJobs();
    jobs.server = await FakeServer.start((command) => jobs.answer(command), port);
    return jobs as FakeJobs & { readonly server: FakeServer };
  }

  set(jobId: number, state: keyof typeof NAMES, power: boolean | null = null, reason: string | null = null): void {
    this.states.set(jobId, { state, power, reason });
    this.server?.send(`${JSON.stringify({ jobs_changed: [jobId] })}\n`);
  }

  answer({ command, args, kwargs }: Command): Answer {
    const jobId = args[0] as number;
    const job = this.states.get(jobId) ?? { state: "unknown" as const, power: null, reason: null };
    switch (command) {
      case "version":
        return { value: "1!7.1.0" };
      case "create_job":
        this.#lastId += 1;
        this.states.set(this.#lastId, { state: this.first, power: this.first === "queued" ? null : true, reason: null });
        if (args.length === 1 && args[0] === 1 && this.single.length > 0) this.#lent.set(this.#lastId, this.single.shift()!);
        return { value: this.#lastId };
      case "get_job_state":
        return { value: { ...job, state: NAMES[job.state], keepalive: 60, start_time: 1, keepalivehost: "127.0.0.1" } };
      case "get_job_machine_info":
        if (this.#lent.has(jobId)) {
          const host = this.#lent.get(jobId)!;
          const board = { width: 8, height: 8, connections: [[[0, 0], host]], boards: [[jobId, 0, 0]] };
          return { value: { ...board, machine_name: "triad" } };
        }
        return {
          value: {
            width: 12,
            height: 12,
            machine_name: "triad",
            connections: [
              [[8, 4], "127.0.93.102"],
              [[0, 0], "127.0.93.101"],
              [[4, 8], "127.0.93.103"],
            ],
            boards: [
              [0, 0, 2],
              [0, 0, 0],
              [0, 0, 1],
            ],
          },
        };
      case "destroy_job":
        this.states.set(jobId, { state: "destroyed", power: null, reason: (kwargs["reason"] as string | null) ?? null });
        return { value: null };
      case "list_jobs": {
        const listed = [...this.states].filter(([, each]) => each.state !== "destroyed" && each.state !== "unknown");
        const members = { owner: "somebody", start_time: 1, keepalive: 60, args: [3], kwargs: {}, keepalivehost: "10.0.0.5" };
        const where = { allocated_machine_name: "triad", boards: [[0, 0, 0]] };
        return { value: listed.map(([id, each]) => ({ job_id: id, ...members, ...where, state: NAMES[each.state], power: each.power })) };
      }
      case "list_machines": {
        const machine = { name: "triad", tags: ["default"], width: 1, height: 1, dead_boards: [[0, 0, 1]], dead_links: [[0, 0, 0, 1]] };
        return { value: [machine] };
      }
      case "where_is": {
        if (kwargs["machine"] !== "triad" && kwargs["job_id"] === undefined) return { value: null };
        const chips = { chip: [8, 4], board_chip: [0, 0], job_id: 7, job_chip: [8, 4] };
        return { value: { machine: "triad", logical: [0, 0, 2], physical: [0, 1, 5], ...chips } };
      }
      case "power_on_job_boards":
      case "power_off_job_boards":
        this.states.set(jobId, { state: "power", power: command === "power_on_job_boards", reason: null });
        return { value: null };
      default:
        return { value: null };
    }
  }
}

/** What `promise` is rejected with; a test that expects an error must not go on without one. */
export async function rejection(promise: Promise<unknown>): Promise<Error & { readonly code?: string; readonly hint?: string }> {
  try {
    await promise;
  } catch (error) {
    return error as Error & { readonly code?: string; readonly hint?: string };
  }
  throw new Error("expected a rejection");
}
