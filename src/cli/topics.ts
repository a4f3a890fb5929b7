import { STATUS_WORDS } from "./status.js";

const STATUSES = Object.entries(STATUS_WORDS)
  .map(([status, words]) => `  ${status.padStart(3)}  ${words}\n`)
  .join("");

/** `spinn help TOPIC`: what is true for all verbs. */
export const TOPICS: Readonly<Record<string, string>> = {
  boards: `How a board is named

  --host 192.168.240.1        its address, or a name that the network knows
  --host 192.168.240.1:17893  with a port
  SPINN_HOST                  the same in the environment, where --host is not given
  inventory                   a file of named boards: ~/.config/spinn/boards.yaml, or where SPINN_BOARDS says

      default: desk
      boards:
        desk: 192.168.240.1
        rack1-00: { host: 10.11.12.1, bmp: 10.11.12.0, slot: 0 }
        rack1-01: { host: 10.11.12.9, bmp: 10.11.12.0, slot: 1, variables: { cores: "0,0,1-8" } }
      groups:
        rack1: [rack1-*]

A board may have a port, a BMP, its slot in the frame of that BMP, and variables for bring-up scripts. spinn bringup --boards takes names of
boards and groups, and patterns.

  --via lab-pc:3277           the board of a spinn serve that runs there, as if it were on this computer's network: all verbs for boards and
                              BMPs work alike. Board and BMP are the controller's own, --host and --bmp need not be given.
  --via "tls://lab-pc:3277?ca=FILE&cert=FILE&key=FILE"
                              the same with TLS: whom to trust (the controller's certificate, or an authority's), and who we are
  SPINN_VIA                   the same in the environment, where neither --via nor --host is given; it stands above SPINN_HOST

Boards on loan

  --spalloc spinn.example.org an allocation server: host, host:port (22244 when left out), or https://host/spalloc/ of the newer service
  SPINN_SPALLOC               the same in the environment; then spalloc: in the inventory, then hostname in ~/.spalloc
  SPINN_SPALLOC_USER, SPINN_SPALLOC_PASSWORD or SPINN_SPALLOC_TOKEN
                              who asks, for https; SPINN_SPALLOC_LOGIN=form where the service wants its log-in page filled in
  spinn alloc 3 -- COMMAND    runs a command with SPINN_HOST set to the board to boot through, SPINN_HOSTS to all (with commas), SPINN_JOB and
                              SPINN_MACHINE; its status is that of spinn

A board's BMP, which switches its power, has an address of its own: --bmp, or bmp in the inventory. It is usually the board's minus one.
What switches boards (power, reset) must name the BMP, the board, or the controller (--via); SPINN_HOST, SPINN_VIA and the default are not enough.
`,
  places: `Chips and cores

  1,2          chip x,y; its requests go to its monitor
  1,2,3        core x,y,p: virtual core p of chip 1,2; 0 is the monitor, applications run on 1 to 17
  1,2,3-5      cores 3 to 5;  1,2,3-5+9 also core 9
  1,2          where cores are wanted: every application core of the chip
  0-3,*,1      core 1 of every chip in columns 0 to 3: patterns take the chips there are
  @all         every application core, or every chip
  root         the chip from which the machine was booted
`,
  addresses: `Addresses and numbers

  0x60240000        a number with 0x is hexadecimal, with 0b binary, else decimal; 4K and 2M are 1024 and 1024 x 1024
  sdram+0x240000    areas by name: sdram, sysram, router, itcm, dtcm, boot-rom ..., each with + or - and an offset
  sv.clock_ms       a system variable of a chip
  vcpu[3].app_name  a field of the block that a core keeps; vcpu.app_name where the core is named: 1,2,3

Hexadecimal without 0x is refused, with a hint: a wrong guess would write somewhere else.
ITCM and DTCM belong to one core: name it. What lies outside all memory is refused before anything is sent: on a board it kills the monitor.
`,
  output: `Output

  stdout is data, stderr is talk: spinn read 1,2 sdram 4K -f bin > file is clean.
  --json       one object with "schema" and "version"; members are never renamed or removed within a version.
               Verbs that go on (--follow, --watch, --ndjson) print an object per line. An error is an object too: schema spinn.error.
               JSON Schema of all of them: src/cli/output.schema.json in the package
  -q, --quiet  only data and errors;  -v, --verbose also counters of the transport
  --debug      the stack of an error
  colours and progress are for terminals only; NO_COLOR and --color are honoured; a reader that goes away is no error.
`,
  status: `Exit statuses

${STATUSES}  143  ended by SIGTERM

Ctrl-C once: the packet in flight ends, what was begun is cleaned up, and spinn says what is left. Twice: at once.
`,
  safety: `What asks before it acts

  look     info, ps, read, iobuf, map, router, heap, sensors ...   free
  change   write, fill, load, signal, tags, leds, routes --load    writes outside SDRAM and SysRAM need --force
  disturb  power, reset, routes --clear                            the target must be named, and a question is asked; without a
                                                                   terminal nothing is done (status 8) unless --yes is given.
                                                                   Where others have cores at work or tags of their own, that is
                                                                   said, and it takes --force
  ruin     ybug: srom_write ... bmpc: xboot, bmp_ip, ee_write ...  the board's name must be typed, or --allow-flash given; what was
                                                                   there is saved in a file first, and what was written is read back
  Every verb that changes something has --dry-run: it says what would be done, and sends nothing that changes anything.
   A controller (spinn serve) lets callers do what its --allow says, and what comes before: look, change, or disturb.
  The page of spinn serve --web looks only, unless --web-allow is given, and shows nothing without the key in its address.
  A board that is booted already is not booted again. Cores in use are not taken away by load unless --force is given.
`,
};
