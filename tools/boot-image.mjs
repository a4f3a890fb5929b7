// Makes fixtures/bringup/simulated.boot: a boot image for simulated machines. It has what a boot ROM and a simulator look at (start
// values of the system variables at offset 384, the name and version of SC&MP) and no firmware: a real chip that got it would sit in its
// first instruction, a branch to itself, until it is switched off.
import { mkdirSync, writeFileSync } from "node:fs";

const [, , path = new URL("../fixtures/bringup/simulated.boot", import.meta.url).pathname, version = "4.0.0"] = process.argv;

const NAME_OFFSET = 0x1000;
const image = new DataView(new ArrayBuffer(NAME_OFFSET + 64));
image.setUint32(0, 0xeafffffe, true); // ARM: b .

// Offset in sv, bytes, value: spinnaker_tools `tools/boot/sark.struct`.
const START_VALUES = [
  [0x0c, 1, 4], // p2pb_repeats
  [0x0d, 1, 4], // p2p_sql
  [0x0e, 1, 0x33], // clk_div
  [0x24, 2, 200], // cpu_clk
  [0x26, 2, 130], // mem_clk
  [0x28, 1, 0x3f], // forward
  [0x2a, 1, 200], // peek_time
  [0x2b, 1, 1], // led_period
  [0x2c, 1, 50], // netinit_bc_wait
  [0x41, 1, 7], // num_buf
  [0x42, 1, 20], // boot_delay
  [0x43, 1, 3], // soft_wdog
  [0x48, 4, 1024], // sysram_heap
  [0x4c, 4, 1048576], // sdram_heap
  [0x50, 4, 16384], // iobuf_size
  [0x54, 4, 8388608], // sdram_bufs
  [0x58, 4, 32768], // sysbuf_size
  [0x65, 1, 0x3f], // link_en
];
for (const [offset, size, value] of START_VALUES) {
  for (let byte = 0; byte < size; byte++) image.setUint8(384 + offset + byte, (value >>> (8 * byte)) & 255);
}
new Uint8Array(image.buffer).set(new TextEncoder().encode(`SC&MP/SpiNNaker\0${version}\0`), NAME_OFFSET);

mkdirSync(new URL(".", `file://${path}`), { recursive: true });
writeFileSync(path, new Uint8Array(image.buffer));
console.log(`${path}: ${image.byteLength} bytes, version ${version}`);
