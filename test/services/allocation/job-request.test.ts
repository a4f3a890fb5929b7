import { describe, expect, it } from "vitest";
import { createJobArguments, type JobRequest } from "../../../src/services/allocation/job-request.js";

describe("create_job", () => {
  it("asks as the reference client does", () => {
    expect(createJobArguments({ boards: 3, owner: "me" })).toEqual({
      args: [3],
      kwargs: {
        owner: "me",
        keepalive: 60,
        machine: null,
        tags: null,
        min_ratio: 0.333,
        max_dead_boards: 0,
        max_dead_links: null,
        require_torus: false,
      },
    });
    expect(
      createJobArguments({ owner: "me", triads: { width: 1, height: 2 }, requireTorus: true, machine: "m", keepaliveMs: null }),
    ).toEqual({
      args: [1, 2],
      kwargs: expect.objectContaining({ machine: "m", keepalive: null, require_torus: true }),
    });
    expect(createJobArguments({ owner: "me", board: { x: 4, y: 5, z: 2 }, maxDeadBoards: null }).args).toEqual([4, 5, 2]);
    expect(createJobArguments({}).kwargs["owner"]).not.toBe("");
  });

  const wrong: [string, JobRequest][] = [
    ["machine and tags, which leaves a job behind that stops the server", { machine: "m", tags: ["t"] }],
    ["a torus of one board, likewise", { requireTorus: true }],
    ["a torus of one given board, likewise", { requireTorus: true, board: { x: 0, y: 0, z: 0 } }],
    ["two ways at once", { boards: 3, triads: { width: 1, height: 1 } }],
    ["no boards", { boards: 0 }],
    ["half a board", { boards: 1.5 }],
    ["a fourth board of a triad", { board: { x: 0, y: 0, z: 3 } }],
    ["an owner without a name", { owner: " " }],
    ["an owner that the newer service refuses", { owner: "Zoë" }],
    ["a keepalive that is no number", { keepaliveMs: Number.NaN }],
    ["a keepalive in seconds", { keepaliveMs: 60 }],
    ["a ratio above one", { minRatio: 2 }],
  ];
  it.each(wrong)("refuses %s", (_, request) => {
    expect(() => createJobArguments({ owner: "me", ...request })).toThrow(expect.objectContaining({ code: "ERR_SPINN_ARGUMENT" }));
  });
});
