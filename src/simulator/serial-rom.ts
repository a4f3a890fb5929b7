import { SCP_PORT } from "../wire/index.js";

export const SERIAL_ROM_SIZE = 0x8000;
/** Where the boot ROM leaves the settings. */
export const SETTINGS_ADDRESS = 0xf5007fe0;
const PRESENT = 0x8000;
const HAS_ETHERNET = 1;

/** An Ethernet chip as its serial ROM describes it. */
export interface EthernetSettings {
  readonly ip: readonly number[];
  readonly hardwareVersion: number;
}

/** The 32 bytes of network settings, as the boot ROM leaves them in SysRAM. Source: spinnaker_tools `scamp/scamp.h` (srom_data_t). */
export function serialRomSettings({ ip, hardwareVersion }: EthernetSettings): Uint8Array {
  const settings = new Uint8Array(32);
  const view = new DataView(settings.buffer);
  const [a, b, c, d] = ip as [number, number, number, number];
  view.setUint16(0, PRESENT | (hardwareVersion << 4) | HAS_ETHERNET, true);
  settings.set([0, 0, 0xa4, b, c, d], 2);
  settings.set(ip, 8);
  settings.set([a, b, c, 254], 12);
  settings.set([255, 255, 255, 0], 16);
  view.setUint16(20, SCP_PORT, true);
  return settings;
}

/** The serial ROM: boot block with the settings at 0, no list of dead parts at 0x100. Words are stored high byte first, as the boot ROM reads them. */
export function serialRomContent(ethernet: EthernetSettings | undefined): Uint8Array {
  const memory = new Uint8Array(SERIAL_ROM_SIZE);
  if (ethernet === undefined) return memory;
  const settings = new DataView(serialRomSettings(ethernet).buffer);
  const stored = new DataView(memory.buffer);
  stored.setUint32(0, 0x553a0008);
  stored.setUint32(4, SETTINGS_ADDRESS);
  for (let i = 0; i < 32; i += 4) stored.setUint32(8 + i, settings.getUint32(i, true));
  stored.setUint32(40, 0xaaaaaaaa);
  return memory;
}
