import { type BoardKind, type FieldValue, SV } from "../machine/index.js";
import { BOOT_SV_SIZE } from "../wire/index.js";

/** LED pins of sv.led0 by hardware version: count in the lowest nibble, then GPIO numbers. Source: spinnaker_tools `tools/boot/*.conf`. */
const LED0: Record<number, number> = { 1: 0x00076104, 2: 0x00006103, 3: 0x00000502, 4: 0x00000001, 5: 0x00000001 };

/** What the host's boot block says when it says nothing special. Source: spinnaker_tools `tools/boot/sark.struct`. */
const DEFAULTS: Readonly<Record<string, FieldValue>> = {
  p2pb_repeats: 4,
  p2p_sql: 4,
  clk_div: 0x33,
  cpu_clk: 200,
  mem_clk: 130,
  forward: 0x3f,
  peek_time: 200,
  led_period: 1,
  netinit_bc_wait: 50,
  root_chip: 1,
  num_buf: 7,
  boot_delay: 20,
  soft_wdog: 3,
  sysram_heap: 1024,
  sdram_heap: 1048576,
  iobuf_size: 16384,
  sdram_bufs: 8388608,
  sysbuf_size: 32768,
  link_en: 0x3f,
};

/** The 128 bytes of start values that a booted machine was given: those of spinnaker_tools, for this board and time. */
export function startValues(board: BoardKind, unixTime: number): Uint8Array {
  const bytes = new Uint8Array(SV.size);
  const version = board === "spin3" ? 3 : 5;
  for (const [name, value] of Object.entries(DEFAULTS)) SV.write(bytes, name, value);
  SV.write(bytes, "hw_ver", version);
  SV.write(bytes, "led0", LED0[version]!);
  SV.write(bytes, "unix_time", unixTime);
  SV.write(bytes, "boot_sig", unixTime);
  return bytes.subarray(0, BOOT_SV_SIZE);
}
