import { list, optional, record, required } from "../kind.js";
import { stepKind } from "../step.js";
import { chip, core, flag, integer, ipPort, text } from "../values.js";

const tag = record("a tag", {
  tag: required(integer("tag", 0, 7), "Number of the tag"),
  port: required(ipPort, "UDP port: of the host; of the board, if `to` makes it a reverse tag"),
  host: optional(text, "IPv4 address of the host. Default: the host that runs the script"),
  to: optional(core, "Makes it a reverse tag: what comes in on the port goes to this core"),
  sdpPort: optional(integer("SDP port", 1, 7), "SDP port of the core. Default: 1"),
  strip: optional(flag, "Send the payload without SDP header. Default: false; true for reverse tags"),
});

export const tags = stepKind({
  about: "Sets IP tags: where SDP of cores leaves the board, and where UDP enters it",
  main: "set",
  fields: {
    set: required(list(tag, "tags"), "The tags"),
    ethernet: optional(chip, "Ethernet chip whose tags are set. Default: the one that the host talks to"),
  },
  needs: () => ["board"],
  check: ({ set }) =>
    set.some(({ to, host }) => to !== undefined && host !== undefined)
      ? "a tag has either a host (cores to host) or a core in `to` (host to core), not both"
      : undefined,
  describe: ({ set }) => `set tag ${set.map((one) => one.tag).join(",")}`,
  async run({ set, ethernet }, { access, signal }) {
    const machine = await access.machine();
    for (const { tag: number, port, host, to, sdpPort, strip } of set) {
      if (to === undefined) await machine.setIpTag(number, { host, port, strip }, { ethernet, signal });
      else await machine.setReverseIpTag(number, { ...to, port, sdpPort, strip }, { ethernet, signal });
    }
    return { tags: set.map((one) => one.tag) };
  },
});
