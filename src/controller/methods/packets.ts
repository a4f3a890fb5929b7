import { type Link, parseRoutingTable } from "../../machine/index.js";
import { type Method, once, repeatable } from "../method.js";
import { bool, chip, core, int, list, optional, text } from "../parameter.js";

const APP_ID = int("Application id, 1 to 255.", 1, 255);
const FILTER = int("Number of the filter, 0 to 15.", 0, 15);
const TAG = int("Tag, 0 to 7.", 0, 7);
const HOST = text("IPv4 address.", 15);
const PORT = int("UDP port at the host.", 1, 65535);
const STRIP = optional(bool("Send the payload alone."), false);

/** What moves packets: routers, and the tags of the Ethernet. */
export const PACKET_METHODS: Readonly<Record<string, Method>> = {
  tags: repeatable("look", {
    about: "The IP tags that are set on the board's Ethernet chip, without those lent to replies.",
    parameters: {},
    result: "[{tag, host, port, strip, reverse, rx_port, destination, ...}]",
    call: async (board, _, { signal }) =>
      (await (await board.machine()).listIpTags({ signal })).filter(({ inUse, transient }) => inUse && !transient),
  }),
  set_tag: repeatable("change", {
    about: "Sends SDP of cores with this tag to a host.",
    parameters: {
      tag: TAG,
      host: HOST,
      port: PORT,
      strip: STRIP,
    },
    result: "None",
    call: async (board, { tag, host, port, strip }, { signal }) => (await board.machine()).setIpTag(tag, { host, port, strip }, { signal }),
  }),
  take_tag: once("change", {
    about: "As set_tag, on a free tag of the pool 8 to 15, from which replies are lent too: each one taken narrows the board's window.",
    parameters: { host: HOST, port: PORT, strip: STRIP },
    result: "the tag",
    call: async (board, { host, port, strip }, { signal }) => (await board.machine()).takeIpTag({ host, port, strip }, { signal }),
  }),
  set_reverse_tag: repeatable("change", {
    about: "Delivers what comes in on a UDP port of the board to a core, as SDP.",
    parameters: {
      tag: TAG,
      port: int("UDP port of the board, not 17893.", 1, 65535),
      core,
      sdp_port: optional(int("SDP port of the core, 1 to 7.", 1, 7), 1),
    },
    result: "None",
    call: async (board, { tag, port, core: where, sdp_port: sdpPort }, { signal }) =>
      (await board.machine()).setReverseIpTag(tag, { port, ...where, sdpPort }, { signal }),
  }),
  clear_tag: repeatable("change", {
    about: "Takes back an IP tag.",
    parameters: { tag: int("Tag, 0 to 15.", 0, 15) },
    result: "None",
    call: async (board, { tag }, { signal }) => (await board.machine()).clearIpTag(tag, { signal }),
  }),
  tag_pool: repeatable("look", {
    about: "How many tags are for replies, and how long one waits for its reply.",
    parameters: {},
    result: "{timeout_code, pool_size, fixed_size}",
    call: async (board, _, { signal }) => (await board.machine()).readTagPool({ signal }),
  }),
  routes: repeatable("look", {
    about: "The multicast routes of a chip.",
    parameters: { chip },
    result: "[{index, key, mask, links, cores, app_id}]",
    call: async (board, { chip: where }, { signal }) => (await board.machine()).readRoutes(where, { signal }),
  }),
  load_routes: once("change", {
    about: "Adds multicast routes to a chip.",
    parameters: { chip, app_id: APP_ID, table: text("Routing table, one route a line, as spinn routes prints it.") },
    result: "index of the first route",
    call: async (board, { chip: where, app_id: appId, table }, { signal }) =>
      (await board.machine()).loadRoutes(where, parseRoutingTable(table), { appId, signal }),
  }),
  clear_routes: repeatable("disturb", {
    about: "Removes all multicast routes of a chip.",
    parameters: { chip },
    result: "None",
    call: async (board, { chip: where }, { signal }) => (await board.machine()).clearRoutes(where, { signal }),
  }),
  free_routes: repeatable("change", {
    about: "Gives back the routes of an application on a chip.",
    parameters: { chip, app_id: APP_ID },
    result: "number of routes",
    call: async (board, { chip: where, app_id: appId }, { signal }) => (await board.machine()).freeRoutes(where, appId, { signal }),
  }),
  fixed_route: repeatable("look", {
    about: "Where a chip's router sends fixed-route packets.",
    parameters: { chip },
    result: "{links: [int], cores: [int]}, physical cores",
    call: async (board, { chip: where }, { signal }) => (await board.machine()).readFixedRoute(where, { signal }),
  }),
  set_fixed_route: repeatable("change", {
    about: "Sets where a chip's router sends fixed-route packets.",
    parameters: { chip, links: list("Links, 0 to 5.", int("", 0, 5), 0), cores: list("Physical cores, 0 to 17.", int("", 0, 17), 0) },
    result: "None",
    call: async (board, { chip: where, links, cores }, { signal }) =>
      (await board.machine()).writeFixedRoute(where, { links: links as readonly Link[], cores }, { signal }),
  }),
  router_counters: repeatable("look", {
    about: "What the router of a chip has counted.",
    parameters: { chip },
    result: "{local_multicast, external_multicast, dropped_multicast, ...}",
    call: async (board, { chip: where }, { signal }) => (await board.machine()).readRouterCounters(where, { signal }),
  }),
  clear_router_counters: repeatable("change", {
    about: "Sets the counters of a chip's router to zero.",
    parameters: { chip },
    result: "None",
    call: async (board, { chip: where }, { signal }) => (await board.machine()).clearRouterCounters(where, { signal }),
  }),
  router_diagnostics: repeatable("look", {
    about: "Control register, error status and counters of a chip's router. The error status is cleared by reading.",
    parameters: { chip },
    result: "{control, wait1_cycles, wait2_cycles, monitor_core, error_status, counters}",
    call: async (board, { chip: where }, { signal }) => (await board.machine()).readRouterDiagnostics(where, { signal }),
  }),
  router_filter: repeatable("look", {
    about: "What a counter of a chip's router counts.",
    parameters: { chip, index: FILTER },
    result: "the filter word",
    call: async (board, { chip: where, index }, { signal }) => (await board.machine()).readRouterFilter(where, index, { signal }),
  }),
  set_router_filter: repeatable("change", {
    about: "Sets what a counter of a chip's router counts; 12 to 15 are free for that.",
    parameters: { chip, index: FILTER, filter: int("The filter word.", 0, 0xffffffff) },
    result: "None",
    call: async (board, { chip: where, index, filter }, { signal }) =>
      (await board.machine()).writeRouterFilter(where, index, filter, { signal }),
  }),
};
