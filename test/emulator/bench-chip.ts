/** A chip on a bench: memory laid out as SC&MP leaves it, registers, and somewhere to send things. Enough to run cores without a machine. */
import { readFileSync } from "node:fs";
import type { ArmCoreContext, ChipMemoryPort, SdpLike } from "../../src/emulator/index.js";
import { CoreState, SDRAM_SYSTEM_BUFFER, SV, VCPU, vcpuAddress } from "../../src/machine/index.js";

type Device = Parameters<ChipMemoryPort["attach"]>[2];

/** Anything that is no Error stands for a data abort. */
const NOWHERE = Symbol("nothing answers");
const PAGE = 0x10000;

export class BenchMemory implements ChipMemoryPort {
  refresh: (() => void) | undefined;
  readonly #pages = new Map<number, DataView>();
  readonly #devices = new Map<number, Device>([[2, { readRegister: () => 0, writeRegister: () => undefined }]]);

  attach(nibble: number, _sizeBytes: number, device: Device): void {
    this.#devices.set(nibble, device);
  }

  readByte(address: number): number {
    return this.#at(address, (view, offset) => view.getUint8(offset));
  }
  readHalf(address: number): number {
    return this.#at(address, (view, offset) => view.getUint16(offset, true));
  }
  readWord(address: number): number {
    const device = this.#device(address);
    if (device) return device.readRegister(address & 0xffffff) >>> 0;
    return this.#at(address, (view, offset) => view.getUint32(offset, true));
  }
  writeByte(address: number, value: number): void {
    this.#at(address, (view, offset) => view.setUint8(offset, value));
  }
  writeHalf(address: number, value: number): void {
    this.#at(address, (view, offset) => view.setUint16(offset, value, true));
  }
  writeWord(address: number, value: number): void {
    const device = this.#device(address);
    if (device) device.writeRegister(address & 0xffffff, value >>> 0);
    else this.#at(address, (view, offset) => view.setUint32(offset, value, true));
  }

  bytes(address: number, length: number): Uint8Array {
    return Uint8Array.from({ length }, (_, index) => this.readByte(address + index));
  }

  #device(address: number): Device | undefined {
    return address >>> 29 === 7 ? this.#devices.get((address >>> 24) & 15) : undefined;
  }

  #at<T>(address: number, access: (view: DataView, offset: number) => T): T {
    let place = address >>> 0;
    if (place >>> 28 === 7) place -= 0x1000_0000;
    if (place >>> 24 === 0xf5) place -= 0x1000_0000;
    const isSdram = place >= 0x6000_0000 && place < 0x6800_0000;
    const isSysram = place >= 0xe500_0000 && place < 0xe500_8000;
    if (!isSdram && !isSysram && !this.#devices.has((place >>> 24) & 15) && place >>> 24 !== 0xe3) throw NOWHERE;
    if (place >= 0xe500_7f10 && place < 0xe500_7f20) this.refresh?.();
    const page = place - (place % PAGE);
    let view = this.#pages.get(page);
    if (view === undefined) {
      view = new DataView(new ArrayBuffer(PAGE));
      this.#pages.set(page, view);
    }
    return access(view, place % PAGE);
  }
}

/** Bytes of one of our small applications. */
export function application(name: string): Uint8Array {
  return readFileSync(new URL(`../../fixtures/apps/${name}.aplx`, import.meta.url));
}

/** What hello.c computes, said again. */
export function helloTable(core: number, seed: number, words = 1024): Uint32Array {
  let x = (Math.imul(seed, 0x9e3779b1) + core) | 0 || 1;
  return Uint32Array.from({ length: words }, () => {
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    return x >>> 0;
  });
}

/** Where and what the chip is; the physical cores are the virtual ones turned round, with the monitor on 5, to catch whoever confuses them. */
export class BenchChip {
  readonly memory = new BenchMemory();
  readonly sdp: SdpLike[] = [];
  readonly packets: { readonly p: number; readonly key: number; readonly payload: number | undefined }[] = [];
  readonly fixed: { readonly p: number; readonly key: number; readonly payload: number | undefined }[] = [];
  readonly x: number;
  readonly y: number;
  bootMs = 5000;

  constructor(x = 1, y = 2) {
    this.x = x;
    this.y = y;
    const router = new Uint32Array(0x20000 / 4);
    this.memory.attach(1, 0x20000, {
      readRegister: (offset) => router[offset >> 2]!,
      writeRegister: (offset, value) => {
        router[offset >> 2] = value;
      },
    });
    const sdramHeap = 0x6064_0000;
    const systemHeap = 0x6784_0000;
    this.#heap(sdramHeap, 0x6780_0000);
    this.#heap(systemHeap, 0x6800_0000);
    const appData = 0x67f0_0000;
    for (let id = 0; id < 256; id++) this.memory.writeByte(appData + 8 * id + 1, 1);
    const buffers = 0xe500_1118;
    for (let index = 0; index < 7; index++) this.memory.writeWord(buffers + 292 * index, index < 6 ? buffers + 292 * (index + 1) : 0);
    const v2p = Array.from({ length: 20 }, (_, p) => (p < 18 ? this.physical(p) : 0xff));
    const p2v = Array.from({ length: 20 }, (_, physical) => v2p.indexOf(physical));
    const fields = {
      p2p_addr: (x << 8) | y,
      cpu_clk: 200,
      soft_wdog: 3,
      unix_time: 1_700_000_005,
      sw_ver: 0x40000,
      vcpu_base: vcpuAddress(0),
      sdram_heap: sdramHeap,
      sys_heap: systemHeap,
      app_data: appData,
      iobuf_size: 64,
      "shm_root.free": buffers,
      v2p_map: v2p,
      p2v_map: p2v.map((p) => (p < 0 ? 0xff : p)),
    };
    for (const [name, value] of Object.entries(fields)) this.setSv(name, value);
  }

  physical(p: number): number {
    return p === 0 ? 5 : p <= 5 ? p - 1 : p;
  }

  setSv(name: string, value: number | readonly number[]): void {
    const { offset } = SV.field(name);
    for (const [index, byte] of SV.encode(name, value).entries()) this.memory.writeByte(0xf500_7f00 + offset + index, byte);
  }

  sv(name: string): number {
    return SV.number(this.memory.bytes(0xf500_7f00, SV.size), name);
  }

  vcpu(p: number, name: string): number {
    return VCPU.number(this.memory.bytes(vcpuAddress(p), VCPU.size), name);
  }

  user(p: number, index: number): number {
    return this.memory.readWord(vcpuAddress(p) + 112 + 4 * index);
  }

  setUser(p: number, index: number, value: number): void {
    this.memory.writeWord(vcpuAddress(p) + 112 + 4 * index, value);
  }

  /** Text of a core as a host reads it. */
  iobuf(p: number): string {
    let text = "";
    for (let block = this.vcpu(p, "iobuf"); block !== 0; block = this.memory.readWord(block)) {
      text += new TextDecoder().decode(this.memory.bytes(block + 16, this.memory.readWord(block + 12)));
    }
    return text;
  }

  /** Puts an image into the load buffer and answers what the monitor gives to a core it starts. */
  context(p: number, image: Uint8Array, { appId = 30, wait = false } = {}): ArmCoreContext {
    for (const [index, byte] of image.entries()) this.memory.writeByte(SDRAM_SYSTEM_BUFFER + index, byte);
    this.memory.writeByte(vcpuAddress(p) + 46, CoreState.INIT);
    return {
      x: this.x,
      y: this.y,
      p,
      physical: this.physical(p),
      appId,
      wait,
      memory: { chip: this.memory },
      imageAddress: SDRAM_SYSTEM_BUFFER,
      nowMs: () => this.bootMs,
      sendSdp: (message) => this.sdp.push(message),
      sendMulticast: (key, payload) => this.packets.push({ p, key, payload }),
      sendFixedRoute: (key, payload) => this.fixed.push({ p, key, payload }),
    };
  }

  #heap(root: number, top: number): void {
    const first = root + 16;
    const last = top - 8;
    [first, first, last, last - first - 8].forEach((word, index) => {
      this.memory.writeWord(root + 4 * index, word);
    });
    this.memory.writeWord(first, last);
  }
}
