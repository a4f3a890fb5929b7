/** SCP command numbers, spinnaker_tools `include/sark.h` and `bmp/bmp.h`. The alphabet that client and simulator share. */
export const Command = {
  VER: 0,
  READ: 2,
  WRITE: 3,
  FILL: 5,
  COUNT: 15,
  REMAP: 16,
  LINK_READ: 17,
  LINK_WRITE: 18,
  AR: 19,
  NNP: 20,
  APP_COPY_RUN: 21,
  SIG: 22,
  FFD: 23,
  AS: 24,
  LED: 25,
  IPTAG: 26,
  SROM: 27,
  ALLOC: 28,
  RTR: 29,
  INFO: 31,
  SYNC: 32,
  BMP_INFO: 48,
  FLASH_COPY: 49,
  FLASH_ERASE: 50,
  FLASH_WRITE: 51,
  BMP_SF: 53,
  BMP_EE: 54,
  RESET: 55,
  XILINX: 56,
  POWER: 57,
  BMP_I2C: 61,
  BMP_PWM: 62,
  TUBE: 64,
} as const;

export type Command = (typeof Command)[keyof typeof Command];

const NAMES = new Map<number, string>(Object.entries(Command).map(([name, code]) => [code, name]));

/** `READ`, or `command 99` for a number nobody knows. */
export function commandName(command: number): string {
  return NAMES.get(command) ?? `command ${command}`;
}
