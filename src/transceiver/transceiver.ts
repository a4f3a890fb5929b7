import {
  getVersion,
  type LedActions,
  type ReverseTag,
  remapCore,
  type SdramSpace,
  setClockSync,
  setLeds,
  type TagDestination,
  type TagEntry,
  type TagPool,
  type Target,
  type VersionInfo,
} from "../commands/index.js";
import type { SCAMPConnection } from "../connections/index.js";
import type {
  ChipCoordinates,
  CoreCoordinates,
  FieldValue,
  Link,
  LoadedRoutingEntry,
  Machine,
  RouterFilter,
  RoutingEntry,
  Signal,
  StructLayout,
} from "../machine/index.js";
import type { ScpRequest } from "../wire/index.js";
import * as allocation from "./allocation.js";
import { Application, type ApplicationOptions } from "./application.js";
import { type BootOptions, type BootResult, boot } from "./boot.js";
import type { CallOptions, LongCallOptions } from "./call-options.js";
import { Chips } from "./chips.js";
import { type ConnectOptions, connect } from "./connect.js";
import * as status from "./core-status.js";
import { Cores } from "./cores.js";
import type { DiscoverOptions, Discovery } from "./discover.js";
import { type Heap, type HeapName, readHeap } from "./heap.js";
import * as iobuf from "./iobuf.js";
import * as tags from "./ip-tags.js";
import { KnownMachine } from "./known-machine.js";
import * as links from "./link-memory.js";
import { type LoadOptions, type LoadResult, load } from "./load.js";
import { loadMany, type Program } from "./load-many.js";
import { type Measurement, type MeasureOptions, measure } from "./measure.js";
import * as memory from "./memory.js";
import { type MemoryIO, type MemoryIOOptions, memoryIO } from "./memory-io.js";
import type { MemoryRange } from "./memory-range.js";
import * as streams from "./memory-stream.js";
import { restoreMemory } from "./restore-memory.js";
import * as diagnostics from "./router-diagnostics.js";
import { Routers } from "./routers.js";
import * as routes from "./routes.js";
import { saveMemory, type TransferOptions, type TransferResult } from "./save-memory.js";
import * as scatter from "./scatter.js";
import { readSerialRom } from "./serial-rom.js";
import type { Session } from "./session.js";
import { type SignalOptions, sendSignal, stop } from "./signals.js";
import * as waiting from "./states.js";
import * as fields from "./struct-fields.js";

export interface TransceiverOptions extends ConnectOptions {
  /** See `DiscoverOptions`; also used when a method needs the machine before `discover()` was called. */
  readonly locate?: DiscoverOptions["locate"];
}

/**
 * A SpiNNaker machine as a thing you talk to.
 *
 * ```ts
 * await using board = await Transceiver.connect({ host: "192.168.240.1" });
 * const { machine } = await board.discover();
 * await board.writeMemory({ x: 1, y: 1 }, 0x60240000, bytes);
 * ```
 *
 * Work on many chips or cores at once is in `routers`, `chips` and `cores`; an application that ends with its scope is {@link application}.
 * Chips are `{ x, y }`, cores `{ x, y, p }` with virtual numbers; 255,255 is the root chip. Every method takes `{ signal }`, long ones also
 * `{ onProgress }`. Once the machine is known, a chip's requests go through the Ethernet chip of its own board.
 * Each method is one function of this room, where its rules and errors are written down.
 */
export class Transceiver {
  readonly #session: Session;
  readonly #known: KnownMachine;
  /** The routers of many chips at once: tables, counters, filters, fixed routes. */
  readonly routers: Routers;
  /** Many chips at once: allocations, system variables, watchdog, clock drift, P2P tables. */
  readonly chips: Chips;
  /** Many cores at once: states, fields, SDP to cores. */
  readonly cores: Cores;

  private constructor(session: Session, locate: DiscoverOptions["locate"]) {
    this.#session = session;
    this.#known = new KnownMachine(session, locate);
    this.routers = new Routers(session, this.#known);
    this.chips = new Chips(session, this.#known);
    this.cores = new Cores(session, this.#known);
  }

  /** Opens a connection to a booted machine; see {@link connect} for what can go wrong. */
  static async connect(options: TransceiverOptions): Promise<Transceiver> {
    return new Transceiver(await connect(options), options.locate);
  }

  /** Boots a machine; does nothing to a booted one. See {@link boot}. */
  static boot(image: Uint8Array, options: BootOptions): Promise<BootResult> {
    return boot(image, options);
  }

  /** What the root chip answered when the connection was opened. */
  get version(): VersionInfo {
    return this.#session.version;
  }

  /** `host:port` of the first connection. */
  get remote(): string {
    return this.#session.remote;
  }

  /** The machine as last discovered. */
  get machine(): Machine | undefined {
    return this.#session.machine;
  }

  /** Every connection, the first one first: for counters and for SDP of cores. */
  get connections(): readonly SCAMPConnection[] {
    return this.#session.connections;
  }

  /** Finds out what the machine is, and opens a connection to every board that answers. */
  discover(options: DiscoverOptions = {}): Promise<Discovery> {
    return this.#known.discover(options);
  }

  /** One request, made by a function of `commands`, through the board of its chip. */
  call<T>(request: ScpRequest<T>, options: CallOptions = {}): Promise<T> {
    return this.#session.call(request, options);
  }

  /**
   * Does something for each chip or core, boards in parallel and some chips of each at a time; a slow board holds up nobody else. The first
   * failure aborts the rest through the signal handed to `work`, and is thrown.
   */
  forEach<T extends ChipCoordinates>(
    places: Iterable<T>,
    work: (place: T, options: { signal: AbortSignal }) => Promise<void>,
    options: CallOptions = {},
  ): Promise<void> {
    return this.#session.forEach(places, work, options);
  }

  /** Version of a chip's monitor or of a core's run-time library. */
  async readVersion(target: Target, options: CallOptions = {}): Promise<VersionInfo> {
    return this.#session.call(getVersion(target), options);
  }

  // ---- memory ------------------------------------------------------------------------------------------------------------------------

  readMemory(target: Target, address: number, length: number, options: LongCallOptions = {}): Promise<Uint8Array> {
    return memory.readMemory(this.#session, target, address, length, options);
  }

  readInto(target: Target, address: number, length: number, into: Uint8Array, options: LongCallOptions = {}): Promise<void> {
    return memory.readInto(this.#session, target, address, length, into, options);
  }

  writeMemory(target: Target, address: number, data: Uint8Array, options: LongCallOptions = {}): Promise<void> {
    return memory.writeMemory(this.#session, target, address, data, options);
  }

  verifyMemory(target: Target, address: number, expected: Uint8Array, options: LongCallOptions = {}): Promise<void> {
    return memory.verifyMemory(this.#session, target, address, expected, options);
  }

  fillMemory(target: Target, address: number, length: number, word: number, options: LongCallOptions = {}): Promise<void> {
    return memory.fillRange(this.#session, target, address, length, word, options);
  }

  /** Many ranges of any chips and boards at once; see `scatter.ts`. */
  readMany(ranges: readonly MemoryRange[], options: LongCallOptions = {}): Promise<Uint8Array[]> {
    return scatter.readMany(this.#session, ranges, options);
  }

  writeMany(pieces: readonly scatter.MemoryPiece[], options: LongCallOptions = {}): Promise<void> {
    return scatter.writeMany(this.#session, pieces, options);
  }

  /** Memory into a file, one range after another, from all boards at once, with little memory; see {@link saveMemory}. */
  saveMemory(ranges: readonly MemoryRange[], path: string, options: TransferOptions = {}): Promise<TransferResult> {
    return saveMemory(this.#session, ranges, path, options);
  }

  /** A file into memory: the inverse of {@link saveMemory}. */
  restoreMemory(ranges: readonly MemoryRange[], path: string, options: TransferOptions = {}): Promise<TransferResult> {
    return restoreMemory(this.#session, ranges, path, options);
  }

  /** Memory as a sequence of pieces, in order, for `for await` and `Readable.from`. */
  readStream(ranges: readonly MemoryRange[], options: streams.ReadStreamOptions = {}): AsyncGenerator<Uint8Array, void, void> {
    return streams.readStream(this.#session, ranges, options);
  }

  writeStream(
    target: Target,
    address: number,
    source: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
    options: streams.WriteStreamOptions = {},
  ): Promise<number> {
    return streams.writeStream(this.#session, target, address, source, options);
  }

  /** A part of a chip's memory that is used like a file; see {@link MemoryIO}. */
  memoryIO(target: Target, address: number, sizeBytes: number, options: MemoryIOOptions = {}): MemoryIO {
    return memoryIO(this.#session, target, address, sizeBytes, options);
  }

  readLinkMemory(chip: ChipCoordinates, link: Link, address: number, length: number, options: CallOptions = {}): Promise<Uint8Array> {
    return links.readLinkMemory(this.#session, chip, link, address, length, options);
  }

  writeLinkMemory(chip: ChipCoordinates, link: Link, address: number, data: Uint8Array, options: CallOptions = {}): Promise<void> {
    return links.writeLinkMemory(this.#session, chip, link, address, data, options);
  }

  readSystemVariable(chip: ChipCoordinates, name: string, options: CallOptions = {}): Promise<FieldValue> {
    return fields.readSystemVariable(this.#session, chip, name, options);
  }

  readCoreField(core: CoreCoordinates, name: string, options: CallOptions = {}): Promise<FieldValue> {
    return fields.readCoreField(this.#session, core, name, options);
  }

  writeCoreField(core: CoreCoordinates, name: string, value: FieldValue, options: CallOptions = {}): Promise<void> {
    return fields.writeCoreField(this.#session, core, name, value, options);
  }

  /** A field of any structure, e.g. of a struct file of one's own. */
  readField(target: Target, layout: StructLayout, base: number, name: string, options: CallOptions = {}): Promise<FieldValue> {
    return fields.readField(this.#session, target, layout, base, name, options);
  }

  writeField(
    target: Target,
    layout: StructLayout,
    base: number,
    name: string,
    value: FieldValue,
    options: CallOptions = {},
  ): Promise<void> {
    return fields.writeField(this.#session, target, layout, base, name, value, options);
  }

  allocate(chip: ChipCoordinates, sizeBytes: number, options: allocation.AllocateOptions): Promise<number> {
    return allocation.allocate(this.#session, chip, sizeBytes, options);
  }

  /** As {@link allocate}, as a window that is used like a file. */
  allocateIO(chip: ChipCoordinates, sizeBytes: number, options: allocation.AllocateOptions & MemoryIOOptions): Promise<MemoryIO> {
    return allocation.allocateIO(this.#session, chip, sizeBytes, options);
  }

  free(chip: ChipCoordinates, address: number, options: CallOptions = {}): Promise<void> {
    return allocation.free(this.#session, chip, address, options);
  }

  freeAll(chip: ChipCoordinates, appId: number, options: CallOptions = {}): Promise<number> {
    return allocation.freeAll(this.#session, chip, appId, options);
  }

  findByTag(chip: ChipCoordinates, appId: number, tag: number, options: CallOptions = {}): Promise<number | undefined> {
    return allocation.findByTag(this.#session, chip, appId, tag, options);
  }

  readSpace(chip: ChipCoordinates, options: CallOptions = {}): Promise<SdramSpace> {
    return allocation.space(this.#session, chip, options);
  }

  readHeap(chip: ChipCoordinates, name: HeapName = "sdram", options: CallOptions = {}): Promise<Heap> {
    return readHeap(this.#session, chip, name, options);
  }

  // ---- applications ------------------------------------------------------------------------------------------------------------------

  async load(image: Uint8Array, cores: Iterable<CoreCoordinates>, options: LoadOptions): Promise<LoadResult> {
    await this.#known.get(options);
    return load(this.#session, image, cores, options);
  }

  /**
   * Several programs as one application: each is loaded and held in WAIT, and when all are there they get START together; late cores get it
   * again. With `wait` they stay in WAIT. Throws as {@link load}, `ERR_SPINN_ARGUMENT` for a core named twice, `ERR_SPINN_STATE` for cores that
   * did not start; what had been loaded then stays.
   */
  async loadMany(programs: Iterable<Program>, options: LoadOptions): Promise<LoadResult> {
    await this.#known.get(options);
    return loadMany(this.#session, programs, options);
  }

  /** An application id as a scope: `await using app = spinn.application(30)` stops it and gives back what it took; see {@link Application}. */
  application(appId: number, options: ApplicationOptions = {}): Application {
    return new Application(this.#session, this.#known, this.routers, appId, options);
  }

  sendSignal(signal: Signal, options: SignalOptions): Promise<void> {
    return sendSignal(this.#session, signal, options);
  }

  stop(appId: number, options: CallOptions = {}): Promise<void> {
    return stop(this.#session, appId, options);
  }

  async countInState(appId: number, state: number, options: CallOptions = {}): Promise<number> {
    await this.#known.get(options);
    return waiting.countInState(this.#session, appId, state, options);
  }

  async countStates(appId: number, options: CallOptions = {}): Promise<Map<number, number>> {
    await this.#known.get(options);
    return waiting.countStates(this.#session, appId, options);
  }

  async waitForCount(count: number, states: readonly number[], options: waiting.WaitOptions): Promise<void> {
    await this.#known.get(options);
    return waiting.waitForCount(this.#session, count, states, options);
  }

  waitForCores(cores: Iterable<CoreCoordinates>, states: readonly number[], options: waiting.WaitOptions): Promise<void> {
    return waiting.waitForCores(this.#session, cores, states, options);
  }

  readCoreStatus(core: CoreCoordinates, options: CallOptions = {}): Promise<status.CoreStatus> {
    return status.readCoreStatus(this.#session, core, options);
  }

  readChipStatus(chip: ChipCoordinates, options: CallOptions = {}): Promise<status.CoreStatus[]> {
    return status.readChipStatus(this.#session, chip, options);
  }

  async readApplication(appId: number, options: CallOptions = {}): Promise<status.CoreStatus[]> {
    await this.#known.get(options);
    return waiting.readApplication(this.#session, appId, options);
  }

  readIobuf(core: CoreCoordinates, options: iobuf.IobufOptions = {}): Promise<string> {
    return iobuf.readIobuf(this.#session, core, options);
  }

  readIobufs(cores: Iterable<CoreCoordinates>, options: iobuf.IobufOptions = {}): Promise<iobuf.CoreText[]> {
    return iobuf.readIobufs(this.#session, cores, options);
  }

  // ---- routers -----------------------------------------------------------------------------------------------------------------------

  loadRoutes(chip: ChipCoordinates, entries: readonly RoutingEntry[], options: routes.LoadRoutesOptions): Promise<number> {
    return routes.loadRoutes(this.#session, chip, entries, options);
  }

  readRoutes(chip: ChipCoordinates, options: CallOptions = {}): Promise<LoadedRoutingEntry[]> {
    return routes.readRoutes(this.#session, chip, options);
  }

  clearRoutes(chip: ChipCoordinates, options: CallOptions = {}): Promise<void> {
    return routes.clearRoutes(this.#session, chip, options);
  }

  freeRoutes(chip: ChipCoordinates, appId: number, options: CallOptions = {}): Promise<number> {
    return routes.freeRoutes(this.#session, chip, appId, options);
  }

  readFixedRoute(chip: ChipCoordinates, options: CallOptions = {}): Promise<routes.FixedRoute> {
    return routes.readFixedRoute(this.#session, chip, options);
  }

  writeFixedRoute(chip: ChipCoordinates, route: routes.FixedRoute, options: CallOptions = {}): Promise<void> {
    return routes.writeFixedRoute(this.#session, chip, route, options);
  }

  readRouterDiagnostics(chip: ChipCoordinates, options: CallOptions = {}): Promise<diagnostics.RouterDiagnostics> {
    return diagnostics.readRouterDiagnostics(this.#session, chip, options);
  }

  readRouterCounters(chip: ChipCoordinates, options: CallOptions = {}): Promise<Record<diagnostics.RouterCounterName, number>> {
    return diagnostics.readRouterCounters(this.#session, chip, options);
  }

  clearRouterCounters(chip: ChipCoordinates, options: diagnostics.ClearCountersOptions = {}): Promise<void> {
    return diagnostics.clearRouterCounters(this.#session, chip, options);
  }

  readRouterFilter(chip: ChipCoordinates, counter: diagnostics.RouterCounter, options: CallOptions = {}): Promise<number> {
    return diagnostics.readRouterFilter(this.#session, chip, counter, options);
  }

  writeRouterFilter(
    chip: ChipCoordinates,
    counter: diagnostics.RouterCounter,
    filter: RouterFilter | number,
    options: diagnostics.WriteFilterOptions = {},
  ): Promise<void> {
    return diagnostics.writeRouterFilter(this.#session, chip, counter, filter, options);
  }

  // ---- Ethernet and board ------------------------------------------------------------------------------------------------------------

  setIpTag(tag: number, destination: TagDestination, options: tags.TagOptions = {}): Promise<void> {
    return tags.setIpTag(this.#session, tag, destination, options);
  }

  takeIpTag(destination: TagDestination, options: tags.TagOptions = {}): Promise<number> {
    return tags.takeIpTag(this.#session, destination, options);
  }

  setReverseIpTag(tag: number, reverse: ReverseTag, options: tags.TagOptions = {}): Promise<void> {
    return tags.setReverseIpTag(this.#session, tag, reverse, options);
  }

  getIpTag(tag: number, options: tags.TagOptions = {}): Promise<TagEntry> {
    return tags.getIpTag(this.#session, tag, options);
  }

  listIpTags(options: tags.TagOptions = {}): Promise<TagEntry[]> {
    return tags.listIpTags(this.#session, options);
  }

  clearIpTag(tag: number, options: tags.TagOptions = {}): Promise<void> {
    return tags.clearIpTag(this.#session, tag, options);
  }

  readTagPool(options: tags.TagOptions = {}): Promise<TagPool> {
    return tags.readTagPool(this.#session, options);
  }

  setTransientTagTimeout(code: number, options: tags.TagOptions = {}): Promise<TagPool> {
    return tags.setTransientTagTimeout(this.#session, code, options);
  }

  async setLeds(chip: ChipCoordinates, actions: LedActions, options: CallOptions = {}): Promise<void> {
    return this.#session.call(setLeds(chip, actions), options);
  }

  readSerialRom(ethernet: ChipCoordinates, address: number, length: number, options: CallOptions = {}): Promise<Uint8Array> {
    return readSerialRom(this.#session, ethernet, address, length, options);
  }

  /** Takes a core out of use until the next boot; all application cores of its chip restart, and their virtual numbers close up. */
  async remapCore(chip: ChipCoordinates, core: number, numbering: "virtual" | "physical", options: CallOptions = {}): Promise<void> {
    await this.#session.call(remapCore(chip, core, numbering), options);
  }

  /** Switches the beacons by which chips measure their clocks' drift (4.0.0). */
  async setClockSync(on: boolean, options: CallOptions = {}): Promise<void> {
    return this.#session.call(setClockSync(on), options);
  }

  /** Latency, throughput by window and loss on the way to a board; only reads. See {@link measure}. */
  measure(options: MeasureOptions = {}): Promise<Measurement> {
    return measure(this.#session, options);
  }

  /** Closes every connection; what is under way ends with `ERR_SPINN_CLOSED`. */
  close(): Promise<void> {
    return this.#session.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}
