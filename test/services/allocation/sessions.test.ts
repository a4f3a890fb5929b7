import { describe, expect, it } from "vitest";
import { SpallocClient } from "../../../src/services/allocation/client.js";
import { type Answer, type Command, FakeServer, rejection } from "./fake-server.js";
import { type Exchange, type Version, vectors } from "./vectors.js";

const commandOf = (exchange: Exchange): Command | undefined => {
  try {
    const json = JSON.parse(exchange.send ?? "") as Command;
    // Only what the client can send: some were made wrong on purpose, to see what servers do.
    return exchange.send!.startsWith("{") && Object.keys(json).join() === "command,args,kwargs" && Array.isArray(json.args)
      ? json
      : undefined;
  } catch {
    return undefined;
  }
};
const answerOf = (exchange: Exchange, version: Version): Answer => {
  const line = exchange.recv[version][0]!;
  if (line === "CLOSED") return "close";
  const json = JSON.parse(line) as { return: unknown; exception?: string };
  return json.exception === undefined ? { value: json.return } : { exception: json.exception };
};
const named = (name: string): Exchange => vectors.exchanges.find((exchange) => exchange.name === name)!;

describe.each(["0.5.2", "7.1.0"] as const)("sessions recorded with a real server %s", (version) => {
  const whole = vectors.exchanges.filter((exchange) => commandOf(exchange) !== undefined);

  it("gives every command's value, refusal or hang-up", async () => {
    expect(whole.length).toBeGreaterThan(60);
    let next: Exchange | undefined;
    await using server = await FakeServer.start((command) => {
      // Also the check of a connection made again after a hang-up.
      if (command.command === "version" && command.args.length === 0) return { value: version };
      expect(command).toEqual(commandOf(next!));
      return answerOf(next!, version);
    });
    await using client = await SpallocClient.connect({ host: "127.0.0.1", port: server.port });
    for (const exchange of whole) {
      next = exchange;
      const { command, args, kwargs } = commandOf(exchange)!;
      const answer = answerOf(exchange, version);
      const call = client.call(command, args, kwargs);
      if (answer === "close") expect((await rejection(call)).code, exchange.name).toBe("ERR_SPINN_INCOMPLETE");
      else if (answer !== "silent" && "value" in answer)
        expect(await call, exchange.name).toEqual(command === "version" ? version : answer.value);
      else {
        const error = await rejection(call);
        expect(error.code, exchange.name).toBe("ERR_SPINN_REMOTE");
        expect(error.message).toContain((answer as { exception: string }).exception);
      }
    }
  });

  it("gives typed values", async () => {
    let next = named("version");
    await using server = await FakeServer.start(() => answerOf(next, version));
    await using client = await SpallocClient.connect({ host: "127.0.0.1", port: server.port });
    const reply = <T>(name: string, call: () => Promise<T>): Promise<T> => {
      next = named(name);
      return call();
    };
    expect(client.version.text).toBe(version === "7.1.0" ? "1!7.1.0" : "0.5.2");
    expect(await reply("list_machines", () => client.listMachines())).toContainEqual({
      name: "holes",
      tags: ["big", "holes"],
      width: 2,
      height: 1,
      deadBoards: [{ x: 0, y: 0, z: 1 }],
      deadLinks: [
        { x: 1, y: 0, z: 2, link: "south" },
        { x: 1, y: 0, z: 0, link: "north" },
      ],
    });
    expect(await reply("where_is by chip of a job", () => client.whereIs({ jobId: 1, chip: { x: 3, y: 4 } }))).toEqual({
      machine: "triad",
      board: { x: 0, y: 0, z: 0 },
      position: { cabinet: 0, frame: 0, board: 0 },
      chip: { x: 3, y: 4 },
      boardChip: { x: 3, y: 4 },
      jobId: 1,
      jobChip: { x: 3, y: 4 },
    });
    expect(server.asked.at(-1)!.kwargs).toEqual(commandOf(next)!.kwargs);
    expect(await reply("where_is where no board is", () => client.whereIs({ machine: "lab", chip: { x: 9, y: 9 } }))).toBeNull();
    expect(server.asked.at(-1)!.kwargs).toEqual(commandOf(next)!.kwargs);
    await reply("where_is by physical board", () => client.whereIs({ machine: "holes", cabinet: 0, frame: 1, board: 4 }));
    expect(server.asked.at(-1)!.kwargs).toEqual(commandOf(next)!.kwargs);
    await reply("where_is by logical board", () => client.whereIs({ machine: "holes", x: 1, y: 0, z: 2 }));
    expect(server.asked.at(-1)!.kwargs).toEqual(commandOf(next)!.kwargs);

    expect(await reply("get_board_position", () => client.boardPosition("holes", { x: 1, y: 0, z: 1 }))).toEqual({
      cabinet: 0,
      frame: 1,
      board: 4,
    });
    expect(await reply("get_board_position of a dead board", () => client.boardPosition("holes", { x: 0, y: 0, z: 1 }))).toBeNull();
    expect(await reply("get_board_at_position", () => client.boardAtPosition("holes", { cabinet: 0, frame: 1, board: 5 }))).toEqual({
      x: 1,
      y: 0,
      z: 2,
    });
    expect(await reply("get_job_state when ready", () => client.jobStatus(1))).toMatchObject({
      state: "ready",
      power: true,
      keepaliveMs: 60_000,
      keepaliveHost: version === "7.1.0" ? "127.0.0.1" : null,
    });
    expect(await reply("get_job_state of an unknown job", () => client.jobStatus(4711))).toMatchObject({
      state: "unknown",
      startTime: null,
    });
    expect(await reply("get_job_state of a destroyed job", () => client.jobStatus(1))).toMatchObject({
      state: "destroyed",
      reason: "finished early",
    });
    expect(await reply("get_job_machine_info of a queued job", () => client.jobMachine(2))).toBeNull();
    expect(await reply("get_job_machine_info with a dead board", () => client.jobMachine(3))).toEqual({
      machine: "holes",
      width: 24,
      height: 12,
      host: "127.0.93.111",
      connections: [
        { chip: { x: 0, y: 0 }, host: "127.0.93.111" },
        { chip: { x: 4, y: 8 }, host: "127.0.93.113" },
        { chip: { x: 12, y: 0 }, host: "127.0.93.114" },
        { chip: { x: 16, y: 8 }, host: "127.0.93.116" },
        { chip: { x: 20, y: 4 }, host: "127.0.93.115" },
      ],
      boards: [
        { x: 0, y: 0, z: 0 },
        { x: 0, y: 0, z: 2 },
        { x: 1, y: 0, z: 0 },
        { x: 1, y: 0, z: 1 },
        { x: 1, y: 0, z: 2 },
      ],
    });
    const [first, second] = await reply("list_jobs with one ready and one queued", () => client.listJobs());
    expect(first).toMatchObject({ jobId: 1, owner: "me", state: "ready", power: true, machine: "triad", boards: [{ x: 0, y: 0, z: 0 }] });
    expect(second).toMatchObject({ jobId: 2, owner: "you", state: "queued", keepaliveMs: null, machine: null, boards: [] });
    expect(await reply("create_job one board", () => client.createJob({ owner: "me" }))).toBe(1);
  });
});
