import { CORE_COUNT, CoreState, type FieldValue, LINKS, type Link, oppositeLink, SV } from "../machine/index.js";
import { BOOT_SV_SIZE } from "../wire/index.js";
import type { Clock } from "./clock.js";
import { Core } from "./core.js";
import type { Firmware } from "./firmware.js";
import { Heap } from "./heap.js";
import { Leds, SystemRegisters } from "./leds.js";
import { ChipMemory, PlainRegisters } from "./memory.js";
import type { MachineNetwork } from "./network.js";
import { fullTable, sparseTable, sparseTableSize } from "./p2p.js";
import { Router } from "./router.js";
import { RoutingTable } from "./routing-table.js";

const SV_OFFSET = 0x7f00;
const SYSRAM = 0xe5000000;
const SYSRAM_USER = SYSRAM + 0x100;
const VCPU = 0xe5007000;
/** Where the monitor of an Ethernet chip keeps the list of dead parts from its serial ROM. */
const BOARD_INFO = 0xe5007900;
const SDRAM = 0x60000000;
const SDRAM_TOP = 0x68000000;
/** Load buffer in front of the system heap. */
const LOAD_BUFFER = 0x40000;
const HOP_TABLE = 0x40000;
const HOP_UNKNOWN = 0x8000ffff;
const ALLOC_TAG = 0x40000;
const ROUTER_COPY = 1025 * 16;
const APP_DATA = 2048;
/** Between app_data and the first block of text the monitor keeps buffers of its own. */
const MONITOR_BUFFERS = 33800;
/** An SDP message in SysRAM: chain word, length, checksum, 284 bytes of message. */
const SHARED_BUFFER = 292;

/** Everything a chip must know of its machine to boot. */
export interface ChipWorld {
  readonly network: MachineNetwork;
  readonly firmware: Firmware;
  /** The 128 bytes of start values the host sent. */
  readonly startValues: Uint8Array;
  readonly clock: Clock;
  /** `clock.now()` at boot. */
  readonly bootTime: number;
}

/**
 * One chip of a booted machine. Memory, heaps and tables are laid out when somebody first looks at them: a machine of a thousand chips costs
 * nothing until it is used.
 */
export class Chip {
  readonly x: number;
  readonly y: number;
  /** Physical core of each virtual one; its length is the number of working cores. */
  readonly v2p: readonly number[];
  /** IPv4 address; `undefined` without Ethernet. */
  readonly ip: readonly number[] | undefined;
  /** The monitor took a data abort: it answers nothing any more. */
  dead = false;
  /** The chip has no supply: not even its router answers. */
  unpowered = false;
  readonly #world: ChipWorld;
  #state: ChipState | undefined;

  constructor(world: ChipWorld, x: number, y: number, ip: readonly number[] | undefined) {
    this.#world = world;
    this.x = x;
    this.y = y;
    this.ip = ip;
    this.v2p = world.network.workingCores(x, y);
  }

  /** Whether anybody looked at or changed the chip since boot. */
  get touched(): boolean {
    return this.#state !== undefined;
  }

  get coreCount(): number {
    return this.#state?.cores.length ?? this.v2p.length;
  }

  get links(): number {
    return this.#world.network.links(this.x, this.y) & this.#world.startValues[0x65]!;
  }

  get memory(): ChipMemory {
    return this.#booted().memory;
  }

  get router(): Router {
    return this.#booted().router;
  }

  get routes(): RoutingTable {
    return this.#booted().routes;
  }

  get cores(): readonly Core[] {
    return this.#booted().cores;
  }

  get sdramHeap(): Heap {
    return this.#booted().sdram;
  }

  get sysramHeap(): Heap {
    return this.#booted().sysram;
  }

  get systemHeap(): Heap {
    return this.#booted().system;
  }

  /** LEDs, bit n = LED n lit. */
  get leds(): number {
    return this.#booted().leds.lit;
  }

  set leds(lit: number) {
    this.#booted().leds.lit = lit;
  }

  /** A word-sized or smaller field of the system variables. */
  sv(name: string): number {
    const state = this.#booted();
    if (state.memory.refreshFrom < 0x8000) state.memory.refresh?.();
    return SV.number(state.memory.sysram.bytes.subarray(SV_OFFSET), name);
  }

  setSv(name: string, value: FieldValue): void {
    SV.write(this.memory.sysram.bytes.subarray(SV_OFFSET), name, value);
  }

  /** Address of application `appId` in the table of applications. */
  appData(appId: number): number {
    return this.sv("app_data") + 8 * appId;
  }

  /** Address in the table of tagged allocations. */
  allocTag(appId: number, tag: number): number {
    return this.sv("alloc_tag") + 4 * ((appId << 8) | tag);
  }

  /** A route with the cores' physical numbers, as the router's registers have it, for one with virtual ones. Cores that are not there fall away. */
  physicalRoute(route: number): number {
    let physical = route & ~(0x3ffff << 6);
    for (const [p, core] of this.v2p.entries()) if ((route >>> (6 + p)) & 1) physical |= 1 << (6 + core);
    return physical >>> 0;
  }

  /** The chip has lost its supply: its programs end, and nobody answers any more. */
  die(): void {
    this.dead = true;
    this.unpowered = true;
    for (const core of this.#state?.cores ?? []) core.endProgram();
  }

  /** Takes a core out of use: virtual numbers close up, and every application core starts anew. */
  remap(physical: number): void {
    const state = this.#booted();
    for (const core of state.cores) core.endProgram();
    (this as { v2p: readonly number[] }).v2p = this.v2p.filter((core) => core !== physical);
    state.cores = makeCores(this.v2p, state.memory);
    this.#writeMaps(state);
    this.#initialiseCores(state);
  }

  #booted(): ChipState {
    this.#state ??= this.#boot();
    return this.#state;
  }

  #boot(): ChipState {
    const { network, firmware, startValues } = this.#world;
    const memory = new ChipMemory();
    const router = new Router(this.v2p[0]!, () => (firmware.knowsAllChips ? fullTable : sparseTable)(network, this));
    attachRegisters(memory, router, this.v2p);
    const sv = memory.sysram.bytes.subarray(SV_OFFSET, SV_OFFSET + SV.size);
    sv.set(startValues.subarray(0, BOOT_SV_SIZE));
    const view = new DataView(sv.buffer, sv.byteOffset, sv.length);
    const [sysramWords, sdramWords] = [view.getUint32(0x48, true), view.getUint32(0x4c, true)];
    const [systemBytes, bufferWords] = [view.getUint32(0x54, true), view.getUint32(0x58, true)];

    const sdramBase = SDRAM + CORE_COUNT * bufferWords * 4;
    const sdramSystem = SDRAM_TOP - systemBytes;
    const sysram = Heap.create(memory, SYSRAM_USER + 4 * sysramWords, VCPU);
    const sdram = Heap.create(memory, sdramBase + 4 * sdramWords, sdramSystem);
    const system = Heap.create(memory, sdramSystem + LOAD_BUFFER, SDRAM_TOP);
    const hopTable = system.allocate(HOP_TABLE, 0, 0);
    memory.fillLazily(hopTable, HOP_TABLE, HOP_UNKNOWN);
    const routerCopy = system.allocate(ROUTER_COPY, 0, 0);
    const allocTag = system.allocate(ALLOC_TAG, 0, 0);
    const appData = system.allocate(APP_DATA, 0, 0);
    system.allocate(MONITOR_BUFFERS, 0, 0);
    for (let appId = 0; appId < 256; appId += 1) memory.writeByte(appData + 8 * appId + 1, 1);

    const sharedCount = view.getUint8(0x41);
    const shared = sysram.allocate(sharedCount * SHARED_BUFFER, 0, 0);
    for (let i = 0; i < sharedCount; i += 1)
      memory.writeWord(shared + i * SHARED_BUFFER, i + 1 < sharedCount ? shared + (i + 1) * SHARED_BUFFER : 0);

    const routes = new RoutingTable(memory, router, routerCopy, SYSRAM + SV_OFFSET + 0xe0, this.#signalRoute(), (route) =>
      this.physicalRoute(route),
    );
    const leds = new Leds(memory);
    const state = { memory, router, routes, leds, cores: makeCores(this.v2p, memory), sdram, sysram, system };
    const pointers = {
      sysram_heap: sysram.root,
      sdram_heap: sdram.root,
      sdram_bufs: SDRAM,
      sdram_base: sdramBase,
      sysram_base: SYSRAM_USER,
      sdram_sys: sdramSystem,
      vcpu_base: VCPU,
      sys_heap: system.root,
      rtr_copy: routerCopy,
      hop_table: hopTable,
      alloc_tag: allocTag,
      app_data: appData,
      shm_buf: shared,
      "shm_root.free": shared,
    };
    for (const [name, value] of Object.entries({ ...pointers, ...this.#identity() })) SV.write(sv, name, value);
    routes.initialise();
    leds.lit = 0;
    this.#writeMaps(state);
    this.#initialiseCores(state);
    this.#runClocks(memory, view, view.getUint32(0x1c, true));
    return state;
  }

  /** Who and where the chip is. */
  #identity(): Record<string, FieldValue> {
    const { network, firmware, startValues } = this.#world;
    const { geometry, root } = network;
    const ethernet = geometry.nearestEthernet(this.x, this.y);
    const position = geometry.positionOnBoard(this.x, this.y);
    const isRoot = this.x === root.x && this.y === root.y;
    return {
      p2p_addr: (this.x << 8) | this.y,
      p2p_dims: ((geometry.width & 0xff) << 8) | (geometry.height & 0xff),
      dbg_addr: (ethernet.x << 8) | ethernet.y,
      eth_addr: (ethernet.x << 8) | ethernet.y,
      p2p_up: 1,
      p2p_root: (root.x << 8) | root.y,
      p2p_active: firmware.knowsAllChips ? network.chips.length : sparseTableSize(network, this),
      eth_up: this.ip === undefined ? 0 : 1,
      board_info: this.ip === undefined ? 0 : BOARD_INFO,
      hw_ver: startValues[0x0a] !== 0 ? startValues[0x0a]! : geometry.board === "spin3" ? 3 : 5,
      netinit_phase: 0xff,
      root_chip: isRoot ? 1 : 0,
      link_en: this.links,
      board_addr: (position.x << 8) | position.y,
      ip_addr: this.ip ?? [0, 0, 0, 0],
      random: (Math.imul((this.x << 8) | this.y, 0x9e3779b1) ^ 0x5bd1e995) >>> 0,
      sw_ver: softwareVersion(firmware),
      "shm_root.max": 0,
    };
  }

  #writeMaps(state: ChipState): void {
    const sv = state.memory.sysram.bytes.subarray(SV_OFFSET);
    const v2p = new Array<number>(20).fill(0xff);
    const p2v = new Array<number>(20).fill(0xff);
    for (const [virtual, physical] of this.v2p.entries()) {
      v2p[virtual] = physical;
      p2v[physical] = virtual;
    }
    SV.write(sv, "v2p_map", v2p);
    SV.write(sv, "p2v_map", p2v);
    SV.write(sv, "num_cpus", this.v2p.length);
    SV.write(sv, "rom_cpus", this.v2p.length);
  }

  #initialiseCores(state: ChipState): void {
    const version = softwareVersion(this.#world.firmware);
    const time = new DataView(this.#world.startValues.buffer, this.#world.startValues.byteOffset).getUint32(0x1c, true);
    state.memory.sysram.bytes.fill(0, 0x7000, 0x7000 + CORE_COUNT * 128);
    for (const core of state.cores) {
      if (core.p === 0) core.initialise(CoreState.RUN, 0, "scamp-3", time, version);
      else core.initialise(CoreState.IDLE, 0, "sark", time, version);
    }
  }

  /** The clocks of the system variables run: they are brought up to date when somebody reads them. */
  #runClocks(memory: ChipMemory, view: DataView, unixTime: number): void {
    const { clock, bootTime } = this.#world;
    memory.refresh = () => {
      const ms = Math.floor(clock.now() - bootTime);
      view.setBigUint64(0x10, BigInt(ms), true);
      view.setUint16(0x18, ms % 1000, true);
      view.setUint32(0x1c, (unixTime + Math.floor(ms / 1000)) >>> 0, true);
    };
    memory.refreshFrom = SV_OFFSET + 0x10;
  }

  /** Signals spread along the tree of shortest ways from the root: to the own cores and to the chips further out. */
  #signalRoute(): number {
    const { network } = this.#world;
    const tree = network.tree(network.root);
    let route = 1 << 6;
    for (const link of LINKS) {
      const to = network.neighbour(this.x, this.y, link as Link);
      if (to !== undefined && tree[network.index(to.x, to.y)] === oppositeLink(link)) route |= 1 << link;
    }
    return route & 0x00ffffff;
  }
}

interface ChipState {
  readonly memory: ChipMemory;
  readonly router: Router;
  readonly routes: RoutingTable;
  readonly leds: Leds;
  cores: Core[];
  readonly sdram: Heap;
  readonly sysram: Heap;
  readonly system: Heap;
}

/** `0x00040000` for 4.0.0. */
export function softwareVersion(firmware: Firmware): number {
  return (firmware.major << 16) | (firmware.minor << 8) | firmware.patch;
}

function makeCores(v2p: readonly number[], memory: ChipMemory): Core[] {
  return v2p.map((physical, p) => new Core(p, physical, memory));
}

function attachRegisters(memory: ChipMemory, router: Router, v2p: readonly number[]): void {
  memory.attach(0x0, 0x1000, new PlainRegisters());
  memory.attach(0x1, 0x20000, router);
  memory.attach(
    0x2,
    0x1000,
    new SystemRegisters(
      v2p[0]!,
      v2p.reduce((mask, core) => mask | (1 << core), 0),
    ),
  );
  memory.attach(0x3, 0x1000, new PlainRegisters());
  memory.attach(0x4, 0x10000, new PlainRegisters());
  memory.attach(0x6, 0x8000, new PlainRegisters());
}
