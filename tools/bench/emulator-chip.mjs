// The smallest chip an application runs on: memory as the monitor leaves it, nobody to talk to.
const NOWHERE = Symbol("nothing answers");

export class Chip {
  refresh = undefined;
  #sdram = new DataView(new ArrayBuffer(0x800_0000));
  #sysram = new DataView(new ArrayBuffer(0x8000));
  #devices = new Map([[2, { readRegister: () => 0, writeRegister() {} }]]);

  constructor() {
    const heap = (root, top) => {
      for (const [index, word] of [root + 16, root + 16, top - 8, top - root - 32].entries()) this.writeWord(root + 4 * index, word);
      this.writeWord(root + 16, top - 8);
    };
    heap(0x60640000, 0x67800000);
    heap(0x67840000, 0x68000000);
    const sv = (offset, value) => this.writeWord(0xf5007f00 + offset, value);
    sv(0x24, 200);
    sv(0x4c, 0x60640000);
    sv(0x50, 1024);
    sv(0xcc, 0xe5007000);
    sv(0xd0, 0x67840000);
    sv(0xe4, 0x67f00000);
    sv(0xfc, 0x40000);
    for (let p = 0; p < 18; p++) {
      this.writeByte(0xf5007f94 + p, p);
      this.writeByte(0xf5007fa8 + p, p);
    }
  }

  attach(nibble, _size, device) {
    this.#devices.set(nibble, device);
  }

  context(p, image) {
    for (const [index, byte] of image.entries()) this.writeByte(0x67800000 + index, byte);
    return {
      x: 0,
      y: 0,
      p,
      physical: p,
      appId: 30,
      wait: false,
      memory: { chip: this },
      imageAddress: 0x67800000,
      nowMs: () => 1000,
      sendSdp() {},
      sendMulticast() {},
    };
  }

  state = (p) => this.readByte(0xe5007000 + 128 * p + 46);
  user = (p, n) => this.readWord(0xe5007000 + 128 * p + 112 + 4 * n);
  setUser = (p, n, value) => this.writeWord(0xe5007000 + 128 * p + 112 + 4 * n, value);

  #view(address) {
    const top = address >>> 28;
    if (top === 6 || top === 7) return this.#sdram;
    if (((address >>> 24) & 0xef) === 0xe5) return this.#sysram;
    throw NOWHERE;
  }
  #offset = (address) => (address >>> 31 === 0 ? address & 0x7ffffff : address & 0x7fff);
  #device = (address) => (address >>> 29 === 7 ? this.#devices.get((address >>> 24) & 15) : undefined);

  readByte = (address) => this.#view(address).getUint8(this.#offset(address));
  readHalf = (address) => this.#view(address).getUint16(this.#offset(address), true);
  readWord = (address) =>
    this.#device(address)?.readRegister(address & 0xffffff) ?? this.#view(address).getUint32(this.#offset(address), true);
  writeByte = (address, value) => this.#view(address).setUint8(this.#offset(address), value);
  writeHalf = (address, value) => this.#view(address).setUint16(this.#offset(address), value, true);
  writeWord(address, value) {
    const device = this.#device(address);
    if (device) device.writeRegister(address & 0xffffff, value >>> 0);
    else this.#view(address).setUint32(this.#offset(address), value, true);
  }
}
