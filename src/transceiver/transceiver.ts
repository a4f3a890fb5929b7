import {
  getVersion,
  type LedActions,
  type ReverseTag,
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
import { throwIfAborted } from "../errors.js";
import type {
  ChipCoordinates,
  CoreCoordinates,
  FieldValue,
  Link,
  LoadedRoutingEntry,
  Machine,
  RoutingEntry,
  Signal,
  StructLayout,
} from "../machine/index.js";
import type { ScpRequest } from "../wire/index.js";
import { type AllocateOptions, allocate, findByTag, free, freeAll, space } from "./allocation.js";
import { type BootOptions, type BootResult, boot } from "./boot.js";
import type { CallOptions, LongCallOptions } from "./call-options.js";
import { type ConnectOptions, connect } from "./connect.js";
import { type CoreStatus, readChipStatus, readCoreStatus } from "./core-status.js";
import { type DiscoverOptions, type Discovery, discover } from "./discover.js";
import { type Heap, type HeapName, readHeap } from "./heap.js";
import { type CoreText, type IobufOptions, readIobuf, readIobufs } from "./iobuf.js";
import {
  clearIpTag,
  getIpTag,
  listIpTags,
  readTagPool,
  setIpTag,
  setReverseIpTag,
  setTransientTagTimeout,
  type TagOptions,
  takeIpTag,
} from "./ip-tags.js";
import { readLinkMemory, writeLinkMemory } from "./link-memory.js";
import { type LoadOptions, type LoadResult, load } from "./load.js";
import { fillRange, readInto, readMemory, writeMemory } from "./memory.js";
import type { MemoryRange } from "./memory-range.js";
import { type ReadStreamOptions, readStream, type WriteStreamOptions, writeStream } from "./memory-stream.js";
import { restoreMemory } from "./restore-memory.js";
import {
  clearRouterCounters,
  type RouterCounterName,
  type RouterDiagnostics,
  readRouterCounters,
  readRouterDiagnostics,
  readRouterFilter,
  writeRouterFilter,
} from "./router-diagnostics.js";
import {
  clearRoutes,
  type FixedRoute,
  freeRoutes,
  type LoadRoutesOptions,
  loadRoutes,
  readFixedRoute,
  readRoutes,
  writeFixedRoute,
} from "./routes.js";
import { saveMemory, type TransferOptions, type TransferResult } from "./save-memory.js";
import { type MemoryPiece, readMany, writeMany } from "./scatter.js";
import { readSerialRom } from "./serial-rom.js";
import type { Session } from "./session.js";
import { type SignalOptions, sendSignal, stop } from "./signals.js";
import { countInState, countStates, readApplication, type WaitOptions, waitForCores, waitForCount } from "./states.js";
import { readCoreField, readField, readSystemVariable, writeCoreField, writeField } from "./struct-fields.js";

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
 * Chips are `{ x, y }`, cores `{ x, y, p }` with virtual numbers; 255,255 is the root chip. Every method takes `{ signal }`, long ones also
 * `{ onProgress }`. Once the machine is known, a chip's requests go through the Ethernet chip of its own board.
 * Each method is one function of this room, where its rules and errors are written down.
 */
export class Transceiver {
  readonly #session: Session;
  readonly #locate: DiscoverOptions["locate"];
  #discovering: Promise<Discovery> | undefined;

  private constructor(session: Session, locate: DiscoverOptions["locate"]) {
    this.#session = session;
    this.#locate = locate;
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
    return discover(this.#session, { locate: this.#locate, ...options });
  }

  /** One request of the commands room, through the board of its chip. */
  call<T>(request: ScpRequest<T>, options: CallOptions = {}): Promise<T> {
    return this.#session.call(request, options);
  }

  /** Version of a chip's monitor or of a core's run-time library. */
  readVersion(target: Target, options: CallOptions = {}): Promise<VersionInfo> {
    return this.#session.call(getVersion(target), options);
  }

  // ---- memory ------------------------------------------------------------------------------------------------------------------------

  readMemory(target: Target, address: number, length: number, options: LongCallOptions = {}): Promise<Uint8Array> {
    return readMemory(this.#session, target, address, length, options);
  }

  readInto(target: Target, address: number, length: number, into: Uint8Array, options: LongCallOptions = {}): Promise<void> {
    return readInto(this.#session, target, address, length, into, options);
  }

  writeMemory(target: Target, address: number, data: Uint8Array, options: LongCallOptions = {}): Promise<void> {
    return writeMemory(this.#session, target, address, data, options);
  }

  fillMemory(target: Target, address: number, length: number, word: number, options: LongCallOptions = {}): Promise<void> {
    return fillRange(this.#session, target, address, length, word, options);
  }

  /** Many ranges of any chips and boards at once; see {@link readMany}. */
  readMany(ranges: readonly MemoryRange[], options: LongCallOptions = {}): Promise<Uint8Array[]> {
    return readMany(this.#session, ranges, options);
  }

  writeMany(pieces: readonly MemoryPiece[], options: LongCallOptions = {}): Promise<void> {
    return writeMany(this.#session, pieces, options);
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
  readStream(ranges: readonly MemoryRange[], options: ReadStreamOptions = {}): AsyncGenerator<Uint8Array, void, void> {
    return readStream(this.#session, ranges, options);
  }

  writeStream(
    target: Target,
    address: number,
    source: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
    options: WriteStreamOptions = {},
  ): Promise<number> {
    return writeStream(this.#session, target, address, source, options);
  }

  readLinkMemory(chip: ChipCoordinates, link: Link, address: number, length: number, options: CallOptions = {}): Promise<Uint8Array> {
    return readLinkMemory(this.#session, chip, link, address, length, options);
  }

  writeLinkMemory(chip: ChipCoordinates, link: Link, address: number, data: Uint8Array, options: CallOptions = {}): Promise<void> {
    return writeLinkMemory(this.#session, chip, link, address, data, options);
  }

  readSystemVariable(chip: ChipCoordinates, name: string, options: CallOptions = {}): Promise<FieldValue> {
    return readSystemVariable(this.#session, chip, name, options);
  }

  readCoreField(core: CoreCoordinates, name: string, options: CallOptions = {}): Promise<FieldValue> {
    return readCoreField(this.#session, core, name, options);
  }

  writeCoreField(core: CoreCoordinates, name: string, value: FieldValue, options: CallOptions = {}): Promise<void> {
    return writeCoreField(this.#session, core, name, value, options);
  }

  /** A field of any structure, e.g. of a struct file of one's own. */
  readField(target: Target, layout: StructLayout, base: number, name: string, options: CallOptions = {}): Promise<FieldValue> {
    return readField(this.#session, target, layout, base, name, options);
  }

  writeField(
    target: Target,
    layout: StructLayout,
    base: number,
    name: string,
    value: FieldValue,
    options: CallOptions = {},
  ): Promise<void> {
    return writeField(this.#session, target, layout, base, name, value, options);
  }

  allocate(chip: ChipCoordinates, sizeBytes: number, options: AllocateOptions): Promise<number> {
    return allocate(this.#session, chip, sizeBytes, options);
  }

  free(chip: ChipCoordinates, address: number, options: CallOptions = {}): Promise<void> {
    return free(this.#session, chip, address, options);
  }

  freeAll(chip: ChipCoordinates, appId: number, options: CallOptions = {}): Promise<number> {
    return freeAll(this.#session, chip, appId, options);
  }

  findByTag(chip: ChipCoordinates, appId: number, tag: number, options: CallOptions = {}): Promise<number | undefined> {
    return findByTag(this.#session, chip, appId, tag, options);
  }

  readSpace(chip: ChipCoordinates, options: CallOptions = {}): Promise<SdramSpace> {
    return space(this.#session, chip, options);
  }

  readHeap(chip: ChipCoordinates, name: HeapName = "sdram", options: CallOptions = {}): Promise<Heap> {
    return readHeap(this.#session, chip, name, options);
  }

  // ---- applications ------------------------------------------------------------------------------------------------------------------

  async load(image: Uint8Array, cores: Iterable<CoreCoordinates>, options: LoadOptions): Promise<LoadResult> {
    await this.#known(options);
    return load(this.#session, image, cores, options);
  }

  sendSignal(signal: Signal, options: SignalOptions): Promise<void> {
    return sendSignal(this.#session, signal, options);
  }

  stop(appId: number, options: CallOptions = {}): Promise<void> {
    return stop(this.#session, appId, options);
  }

  async countInState(appId: number, state: number, options: CallOptions = {}): Promise<number> {
    await this.#known(options);
    return countInState(this.#session, appId, state, options);
  }

  async countStates(appId: number, options: CallOptions = {}): Promise<Map<number, number>> {
    await this.#known(options);
    return countStates(this.#session, appId, options);
  }

  async waitForCount(count: number, states: readonly number[], options: WaitOptions): Promise<void> {
    await this.#known(options);
    return waitForCount(this.#session, count, states, options);
  }

  waitForCores(cores: Iterable<CoreCoordinates>, states: readonly number[], options: WaitOptions): Promise<void> {
    return waitForCores(this.#session, cores, states, options);
  }

  readCoreStatus(core: CoreCoordinates, options: CallOptions = {}): Promise<CoreStatus> {
    return readCoreStatus(this.#session, core, options);
  }

  readChipStatus(chip: ChipCoordinates, options: CallOptions = {}): Promise<CoreStatus[]> {
    return readChipStatus(this.#session, chip, options);
  }

  async readApplication(appId: number, options: CallOptions = {}): Promise<CoreStatus[]> {
    await this.#known(options);
    return readApplication(this.#session, appId, options);
  }

  readIobuf(core: CoreCoordinates, options: IobufOptions = {}): Promise<string> {
    return readIobuf(this.#session, core, options);
  }

  readIobufs(cores: Iterable<CoreCoordinates>, options: IobufOptions = {}): Promise<CoreText[]> {
    return readIobufs(this.#session, cores, options);
  }

  // ---- routers -----------------------------------------------------------------------------------------------------------------------

  loadRoutes(chip: ChipCoordinates, entries: readonly RoutingEntry[], options: LoadRoutesOptions): Promise<number> {
    return loadRoutes(this.#session, chip, entries, options);
  }

  readRoutes(chip: ChipCoordinates, options: CallOptions = {}): Promise<LoadedRoutingEntry[]> {
    return readRoutes(this.#session, chip, options);
  }

  clearRoutes(chip: ChipCoordinates, options: CallOptions = {}): Promise<void> {
    return clearRoutes(this.#session, chip, options);
  }

  freeRoutes(chip: ChipCoordinates, appId: number, options: CallOptions = {}): Promise<number> {
    return freeRoutes(this.#session, chip, appId, options);
  }

  readFixedRoute(chip: ChipCoordinates, options: CallOptions = {}): Promise<FixedRoute> {
    return readFixedRoute(this.#session, chip, options);
  }

  writeFixedRoute(chip: ChipCoordinates, route: FixedRoute, options: CallOptions = {}): Promise<void> {
    return writeFixedRoute(this.#session, chip, route, options);
  }

  readRouterDiagnostics(chip: ChipCoordinates, options: CallOptions = {}): Promise<RouterDiagnostics> {
    return readRouterDiagnostics(this.#session, chip, options);
  }

  readRouterCounters(chip: ChipCoordinates, options: CallOptions = {}): Promise<Record<RouterCounterName, number>> {
    return readRouterCounters(this.#session, chip, options);
  }

  clearRouterCounters(chip: ChipCoordinates, options: CallOptions = {}): Promise<void> {
    return clearRouterCounters(this.#session, chip, options);
  }

  readRouterFilter(chip: ChipCoordinates, index: number, options: CallOptions = {}): Promise<number> {
    return readRouterFilter(this.#session, chip, index, options);
  }

  writeRouterFilter(chip: ChipCoordinates, index: number, filter: number, options: CallOptions = {}): Promise<void> {
    return writeRouterFilter(this.#session, chip, index, filter, options);
  }

  // ---- Ethernet and board ------------------------------------------------------------------------------------------------------------

  setIpTag(tag: number, destination: TagDestination, options: TagOptions = {}): Promise<void> {
    return setIpTag(this.#session, tag, destination, options);
  }

  takeIpTag(destination: TagDestination, options: TagOptions = {}): Promise<number> {
    return takeIpTag(this.#session, destination, options);
  }

  setReverseIpTag(tag: number, reverse: ReverseTag, options: TagOptions = {}): Promise<void> {
    return setReverseIpTag(this.#session, tag, reverse, options);
  }

  getIpTag(tag: number, options: TagOptions = {}): Promise<TagEntry> {
    return getIpTag(this.#session, tag, options);
  }

  listIpTags(options: TagOptions = {}): Promise<TagEntry[]> {
    return listIpTags(this.#session, options);
  }

  clearIpTag(tag: number, options: TagOptions = {}): Promise<void> {
    return clearIpTag(this.#session, tag, options);
  }

  readTagPool(options: TagOptions = {}): Promise<TagPool> {
    return readTagPool(this.#session, options);
  }

  setTransientTagTimeout(code: number, options: TagOptions = {}): Promise<TagPool> {
    return setTransientTagTimeout(this.#session, code, options);
  }

  setLeds(chip: ChipCoordinates, actions: LedActions, options: CallOptions = {}): Promise<void> {
    return this.#session.call(setLeds(chip, actions), options);
  }

  readSerialRom(ethernet: ChipCoordinates, address: number, length: number, options: CallOptions = {}): Promise<Uint8Array> {
    return readSerialRom(this.#session, ethernet, address, length, options);
  }

  /** Switches the beacons by which chips measure their clocks' drift (4.0.0). */
  setClockSync(on: boolean, options: CallOptions = {}): Promise<void> {
    return this.#session.call(setClockSync(on), options);
  }

  /** Closes every connection; what is under way ends with `ERR_SPINN_CLOSED`. */
  close(): Promise<void> {
    return this.#session.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /** Discovers the machine once, for methods that cannot do without. */
  async #known(options: CallOptions): Promise<void> {
    while (this.#session.machine === undefined) {
      throwIfAborted(options.signal);
      if (this.#discovering === undefined) {
        this.#discovering = this.discover({ signal: options.signal }).finally(() => {
          this.#discovering = undefined;
        });
        await this.#discovering;
      } else {
        // Somebody else's discovery: if it fails, for a reason that may be only theirs, this caller tries itself.
        await this.#discovering.catch(() => undefined);
      }
    }
  }
}
