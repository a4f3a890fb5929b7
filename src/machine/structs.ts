import { parseStructs, type StructLayout } from "./struct.js";

/*
 * The structures of SC&MP 4.0.0 that a host reads. Facts from spinnaker_tools `include/sark.h` (sv_t, vcpu_t, rtr_entry_t, heap_t, block_t,
 * iobuf_t) and `scamp/scamp.h` (iptag_t). Numbers are little-endian; a `b` in front marks a value the boot block can set.
 */
const TEXT = `
name = sv
size = 256
base = 0xf5007f00
p2p_addr         u16  0x00  own position, x << 8 | y
p2p_dims         u16  0x02  size of the machine, width << 8 | height
dbg_addr         u16  0x04  chip to which text output goes
p2p_up           u8   0x06  1 when routing between chips works
last_id          u8   0x07  last nearest-neighbour id given out
eth_addr         u16  0x08  nearest Ethernet chip
hw_ver           u8   0x0a  b: version of the board
eth_up           u8   0x0b  Ethernet works on this chip
p2pb_repeats     u8   0x0c  b: rounds of route announcements
p2p_sql          u8   0x0d  b: log2 of the window between chips
clk_div          u8   0x0e  b: clock dividers, router high nibble, system low nibble
tp_scale         u8   0x0f  time phase scale
clock_ms         u64  0x10  ms since boot
time_ms          u16  0x18  ms within the second
ltpc_period      u16  0x1a  period of time phase control
unix_time        u32  0x1c  b: seconds since 1970, running
tp_timer         u32  0x20  router time phase
cpu_clk          u16  0x24  b: core clock in MHz
mem_clk          u16  0x26  b: memory clock in MHz
forward          u8   0x28  b: usual links of nearest-neighbour forwarding
retry            u8   0x29  b: usual repeats of nearest-neighbour packets
peek_time        u8   0x2a  b: time-out of link accesses in us
led_period       u8   0x2b  b: half period of the LED in 10 ms, 1 shows the load
netinit_bc_wait  u8   0x2c  b: quiet time that ends a phase of network start-up, 10 ms
netinit_phase    u8   0x2d  phase of network start-up, 0xff when done
p2p_root         u16  0x2e  root chip
led0             u32  0x30  b: LED pins
led1             u32  0x34  b: more LED pins
clock_drift      i32  0x38  drift estimate, 17 fraction bits
random           u32  0x3c  seed
root_chip        u8   0x40  b: 1 on the root chip
num_buf          u8   0x41  b: shared SDP buffers
boot_delay       u8   0x42  b: us between boot packets
soft_wdog        u8   0x43  b: watchdog of application cores, 0 is off
sync_alignment   u32  0x44  delay of synchronisation signals
sysram_heap      u32  0x48  b: user words of SysRAM, after boot the heap
sdram_heap       u32  0x4c  b: user words of SDRAM, after boot the heap
iobuf_size       u32  0x50  b: characters in a block of text output
sdram_bufs       u32  0x54  b: bytes of system SDRAM, after boot their address
sysbuf_size      u32  0x58  b: words of a system buffer
boot_sig         u32  0x5c  b: boot signature
mem_ptr          u32  0x60  base of nearest-neighbour memory writes
lock             u8   0x64  lock
link_en          u8   0x65  b: usable links, bit n is link n
last_biff_id     u8   0x66  last board information id
bt_flags         u8   0x67  board test
shm_root.free    u32  0x68  free list of shared buffers
shm_root.count   u16  0x6c  shared buffers in use
shm_root.max     u16  0x6e  most in use so far
utmp0            u32  0x70  free for users
utmp1            u32  0x74  free for users
utmp2            u32  0x78  free for users
utmp3            u32  0x7c  free for users
status_map[20]   u8   0x80  result of the boot ROM per physical core
p2v_map[20]      u8   0x94  physical to virtual core, 0xff unused
v2p_map[20]      u8   0xa8  virtual to physical core, 0xff none
num_cpus         u8   0xbc  working cores
rom_cpus         u8   0xbd  working cores found by the ROM
board_addr       u16  0xbe  position on the board, x << 8 | y
sdram_base       u32  0xc0  user SDRAM
sysram_base      u32  0xc4  user SysRAM
sdram_sys        u32  0xc8  load buffer
vcpu_base        u32  0xcc  first vcpu block
sys_heap         u32  0xd0  system heap
rtr_copy         u32  0xd4  copy of the routing table
hop_table        u32  0xd8  hops to each chip
alloc_tag        u32  0xdc  table of tagged allocations
rtr_free         u16  0xe0  first free router entry
p2p_active       u16  0xe2  chips known
app_data         u32  0xe4  256 application records
shm_buf          u32  0xe8  shared SDP buffers
mbox_flags       u32  0xec  cores that wait for the monitor
ip_addr[4]       u8   0xf0  own IPv4 address
fr_copy          u32  0xf4  copy of the fixed route
board_info       u32  0xf8  board information or 0
sw_ver           u32  0xfc  major << 16 | minor << 8 | patch

name = vcpu
size = 128
base = 0xe5007000
r0               u32  0x00  registers saved at a run-time error
r1               u32  0x04
r2               u32  0x08
r3               u32  0x0c
r4               u32  0x10
r5               u32  0x14
r6               u32  0x18
r7               u32  0x1c
psr              u32  0x20  program status
sp               u32  0x24  stack pointer
lr               u32  0x28  link register
rt_code          u8   0x2c  run-time error, 0 is none
phys_cpu         u8   0x2d  physical core
cpu_state        u8   0x2e  state
app_id           u8   0x2f  application
mbox_ap_msg      u32  0x30  message to the core
mbox_mp_msg      u32  0x34  message from the core
mbox_ap_cmd      u8   0x38  0 idle, 1 message, 2 nothing, 3 signal, 4 command
mbox_mp_cmd      u8   0x39  the same from the core
sw_count         u16  0x3a  software errors
sw_file          u32  0x3c  address of the file name of the last one
sw_line          u32  0x40  its line
time             u32  0x44  time of start, seconds since 1970
app_name[16]     char 0x48  name of the program
iobuf            u32  0x58  first block of text output or 0
sw_ver           u32  0x5c  version of the run-time library
pad[4]           u32  0x60
user0            u32  0x70  free for application and host
user1            u32  0x74
user2            u32  0x78
user3            u32  0x7c

name = router_entry
size = 16
next             u16  0x00  next allocated or free block
free             u16  0x02  0x8000 | core << 8 | app id when used, else the next free block
route            u32  0x04  links 5:0, cores 23:6; 0xff on top: unused
key              u32  0x08
mask             u32  0x0c

name = iobuf_block
size = 16
next             u32  0x00  next block or 0
time             u32  0x04  time of the first character, seconds since 1970
ms               u32  0x08
length           u32  0x0c  characters that follow

name = heap_root
size = 16
free             u32  0x00  first free block
first            u32  0x04
last             u32  0x08
free_bytes       u32  0x0c

name = heap_block
size = 8
next             u32  0x00  next block, 0 in the last
free             u32  0x04  next free block, or 0xffff0000 | app id << 8 | tag

name = iptag_entry
size = 32
ip[4]            u8   0x00
mac[6]           u8   0x04
tx_port          u16  0x0a  port of the host
timeout          u16  0x0c  ticks of 10 ms left, 0 is never
flags            u16  0x0e  see IPTAG_FLAG
count            u32  0x10  packets sent
rx_port          u16  0x14  port the board listens to (reverse)
dest_addr        u16  0x16  chip x << 8 | y (reverse)
dest_port_cpu    u8   0x18  port << 5 | core (reverse)

name = app_data
size = 8
cores            u8   0x00  cores started since the last STOP
clean            u8   0x01  1: nothing to free
sema             u8   0x02  semaphore of the application
lead             u8   0x03  lowest core
mask             u32  0x04  virtual cores
`;

const LAYOUTS = parseStructs(TEXT);
const layout = (name: string): StructLayout => LAYOUTS.get(name)!;

/** System variables of a chip, 256 bytes at 0xF5007F00. */
export const SV: StructLayout = layout("sv");
/** One block per virtual core, 128 bytes, from 0xE5007000. */
export const VCPU: StructLayout = layout("vcpu");
/** One entry of the copy of the routing table, sv.rtr_copy. */
export const ROUTER_ENTRY: StructLayout = layout("router_entry");
/** Header of a block of text output; the characters follow. */
export const IOBUF_BLOCK: StructLayout = layout("iobuf_block");
export const HEAP_ROOT: StructLayout = layout("heap_root");
/** Header in front of each block of a heap. */
export const HEAP_BLOCK: StructLayout = layout("heap_block");
/** Entry of CMD_IPTAG GET. */
export const IPTAG_ENTRY: StructLayout = layout("iptag_entry");
/** One of 256 records at sv.app_data. */
export const APP_DATA: StructLayout = layout("app_data");

/** Bits of `IPTAG_ENTRY.flags`. Source: spinnaker_tools `scamp/scamp.h`. */
export const IPTAG_FLAG = {
  IN_USE: 0x8000,
  TRANSIENT: 0x4000,
  WAITING_FOR_ARP: 0x2000,
  USE_SENDER: 0x0400,
  REVERSE: 0x0200,
  STRIP: 0x0100,
} as const;
