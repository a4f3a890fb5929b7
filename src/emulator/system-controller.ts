const KEY = 0x5ec;
const CHIP_ID = 0x5911_1012;

/** What the system controller reaches: the doorbell line and the clock of each physical core, and who sleeps. */
export interface SystemControllerPorts {
  /** The doorbell of a physical core rises or falls. */
  doorbell(physicalCore: number, level: boolean): void;
  /** Physical cores asleep, as a mask. */
  sleeping?(): number;
}

/**
 * The system controller of a chip as applications use it: doorbells, flags for barriers, test-and-set locks, LEDs' pins. Registers that only
 * the monitor touches keep what is written. Offsets are within its 4 KiB. Source: spinnaker_tools `include/spinnaker.h`.
 */
export class SystemController {
  readonly #ports: SystemControllerPorts;
  readonly #plain = new Uint32Array(0x400);
  #doorbells = 0;
  #cpuOk = 0;
  /** 32 flags; bit n is the barrier of virtual core n. */
  flags = 0;
  /** Pins of the LEDs and others: output, and the direction. */
  pins = 0;
  /** Locks that are held, bit per lock. */
  locks = 0;

  constructor(monitorPhysicalCore: number, ports: SystemControllerPorts) {
    this.#ports = ports;
    this.#plain[0x34 >> 2] = monitorPhysicalCore;
    this.#plain[0x38 >> 2] = 1;
  }

  /** Doorbells that ring, a mask of physical cores. */
  get doorbells(): number {
    return this.#doorbells;
  }

  readRegister(offset: number): number {
    if (offset >= 0x100 && offset < 0x200) return this.#lock(offset);
    switch (offset) {
      case 0x00:
        return CHIP_ID;
      case 0x08:
      case 0x0c:
        return this.#doorbells;
      case 0x10:
      case 0x14:
        return this.#cpuOk;
      case 0x40:
      case 0x48:
      case 0x4c:
        return this.pins;
      case 0x58:
      case 0x5c:
        return this.flags >>> 0;
      case 0x64:
        return this.#ports.sleeping?.() ?? 0;
      default:
        return this.#plain[(offset >> 2) & 0x3ff]!;
    }
  }

  writeRegister(offset: number, value: number): void {
    const keyed = value >>> 20 === KEY;
    if (offset === 0x08) this.#ring(keyed ? value & 0xf_ffff : 0, true);
    else if (offset === 0x0c) this.#ring(keyed ? value & 0xf_ffff : 0, false);
    else if (offset === 0x10) this.#cpuOk |= keyed ? value & 0xf_ffff : 0;
    else if (offset === 0x14) this.#cpuOk &= keyed ? ~(value & 0xf_ffff) : -1;
    else if (offset === 0x40) this.pins = value;
    else if (offset === 0x48) this.pins |= value;
    else if (offset === 0x4c) this.pins &= ~value;
    else if (offset === 0x58) this.flags |= value;
    else if (offset === 0x5c) this.flags &= ~value;
    else if (offset !== 0x34 && offset !== 0x64 && offset < 0x100) this.#plain[offset >> 2] = value;
  }

  #ring(mask: number, level: boolean): void {
    const before = this.#doorbells;
    this.#doorbells = level ? before | mask : before & ~mask;
    for (let changed = before ^ this.#doorbells; changed !== 0; changed &= changed - 1) {
      this.#ports.doorbell(31 - Math.clz32(changed & -changed), level);
    }
  }

  /** Reading is the operation: 0x100 + 4n takes lock n, 0x180 + 4n gives it back; bit 31 says whether it was held. */
  #lock(offset: number): number {
    const bit = 1 << ((offset >> 2) & 31);
    const held = (this.locks & bit) !== 0;
    this.locks = offset < 0x180 ? this.locks | bit : this.locks & ~bit;
    return held ? 0x8000_0000 : 0;
  }
}
