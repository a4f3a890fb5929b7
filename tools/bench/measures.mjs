// What is measured. Each measure takes one sample per round (all its clients in turn, so that a slow minute of the machine hits them alike)
// and names the rows that its samples give: the figure of a row is the median over the rounds of `value(sample)`.
const MIB = 1 << 20;
const BLOCK = 256;

const atLeast = (bar) => ({ text: `>= ${bar}`, met: (value) => value >= bar });
const atMost = (bar, unit = "") => ({ text: `<= ${bar}${unit}`, met: (value) => value <= bar });
const perSecond = (bytes, { seconds }) => bytes / BLOCK / seconds;
const thousand = (value) => `${(value / 1000).toFixed(1)} k/s`;
const ms = (value) => `${value.toFixed(1)} ms`;
const s = (value) => `${value.toFixed(value < 1 ? 3 : 2)} s`;

/** Turns that each client takes within a round of `speed`: its best one counts, the one that other programs disturbed least. */
const TURNS = 3;

/** Requests per second and CPU time against a fast board that loses nothing. */
export const speed = {
  name: "speed",
  async sample(peers, { scale, seed }) {
    const one = 2 * MIB * scale;
    const eight = 8 * MIB * scale;
    return peers.withBoard({ seed }, async ({ host, port }) => {
      const clients = {
        ours1: () => peers.job({ job: "read", host, port, window: 1, bytes: one }),
        bare1: () => peers.job({ job: "bare", host, port, window: 1, bytes: one }),
        ours8: () => peers.job({ job: "read", host, port, window: 8, bytes: eight }),
        bare8: () => peers.job({ job: "bare", host, port, window: 8, bytes: eight }),
        ...(peers.spinnman && { spinnman: () => peers.readBySpinnman({ host, port }, { bytes: eight, api: "pipeline" }) }),
      };
      const best = { one, eight };
      for (let turn = 0; turn < TURNS; turn += 1) {
        for (const [name, run] of Object.entries(clients)) {
          const { seconds, cpuSeconds } = await run();
          best[name] = {
            seconds: Math.min(seconds, best[name]?.seconds ?? Infinity),
            cpuSeconds: Math.min(cpuSeconds, best[name]?.cpuSeconds ?? Infinity),
          };
        }
      }
      return best;
    });
  },
  rows: [
    {
      what: "requests/s, window 1, to bare dgram",
      bar: atLeast(0.95),
      value: ({ ours1, bare1 }) => bare1.seconds / ours1.seconds,
      detail: ({ one, ours1, bare1 }) => `${thousand(perSecond(one, ours1))} to ${thousand(perSecond(one, bare1))}`,
    },
    {
      what: "requests/s, window 8, to bare dgram",
      bar: atLeast(0.9),
      value: ({ ours8, bare8 }) => bare8.seconds / ours8.seconds,
      detail: ({ eight, ours8, bare8 }) => `${thousand(perSecond(eight, ours8))} to ${thousand(perSecond(eight, bare8))}`,
    },
    {
      what: "requests/s, window 8, to SpiNNMan's pipeline",
      bar: atLeast(1.3),
      value: ({ ours8, spinnman }) => spinnman && spinnman.seconds / ours8.seconds,
      detail: ({ eight, ours8, spinnman }) => `${thousand(perSecond(eight, ours8))} to ${thousand(perSecond(eight, spinnman))}`,
    },
    {
      what: "CPU per request, window 8, to bare dgram",
      bar: atMost(1.15),
      value: ({ ours8, bare8 }) => ours8.cpuSeconds / bare8.cpuSeconds,
      detail: ({ eight, ours8, bare8 }) =>
        [ours8, bare8].map((run) => `${(run.cpuSeconds / (eight / BLOCK / 1e6)).toFixed(2)} us`).join(" to "),
    },
  ],
};

/** 1 MiB, 1 % of the packets lost (half each way), every client at its defaults. */
export const loss = {
  name: "loss",
  async sample(peers, { seed }) {
    const bytes = MIB;
    const board = { loss: 0.01, seed };
    return {
      ours: await peers.withBoard(board, ({ host, port }) => peers.job({ job: "read", host, port, window: null, bytes, warm: false })),
      c: peers.client && (await peers.withBoard(board, (place) => peers.readByC(place, { window: 8, bytes, repeatMs: 20 }))),
      spinnman: peers.spinnman && (await peers.withBoard(board, (place) => peers.readBySpinnman(place, { bytes, api: "process" }))),
    };
  },
  rows: [
    {
      what: "1 MiB with 1 % loss: times quicker than SpiNNMan",
      bar: atLeast(30),
      value: ({ ours, spinnman }) => spinnman && spinnman.seconds / ours.seconds,
      detail: ({ ours, spinnman }) => `${s(ours.seconds)} to ${s(spinnman.seconds)}`,
    },
    {
      what: "1 MiB with 1 % loss: time to the C client's",
      bar: atMost(1.1),
      value: ({ ours, c }) => c && ours.seconds / c.seconds,
      detail: ({ ours, c }) => `${s(ours.seconds)} to ${s(c.seconds)}`,
    },
  ],
};

/** 0.5 % of the requests answered with a busy code. */
export const busy = {
  name: "busy",
  async sample(peers, { scale, seed }) {
    const bytes = 4 * MIB * scale;
    const read = ({ host, port }) => peers.job({ job: "read", host, port, window: null, bytes });
    return { busy: await peers.withBoard({ busy: 0.005, seed }, read), clean: await peers.withBoard({ seed }, read) };
  },
  rows: [
    {
      what: "0.5 % busy codes: time to the run without",
      bar: atMost(1.2),
      value: ({ busy, clean }) => busy.seconds / clean.seconds,
      detail: ({ busy, clean }) => `${s(busy.seconds)} to ${s(clean.seconds)}`,
    },
  ],
};

/** Loss at a round trip of 2 ms. The three runs take turns of milliseconds on the processor, so they run side by side. */
export const distant = {
  name: "distant",
  async sample(peers, { scale, seed }) {
    const bytes = 16 * MIB * scale;
    const read = (lossEachWay) =>
      peers.withBoard({ delayUs: 2000, lossEachWay, seed }, ({ host, port }) =>
        peers.job({ job: "read", host, port, window: null, bytes }),
      );
    const [clean, one, ten] = await Promise.all([read(0), read(0.01), read(0.1)]);
    return { clean, one, ten };
  },
  rows: [
    {
      what: "16 MiB at 2 ms, 1 % loss each way: time to loss-free",
      bar: atMost(1.15),
      value: ({ one, clean }) => one.seconds / clean.seconds,
      detail: ({ one, clean }) => `${s(one.seconds)} to ${s(clean.seconds)}`,
    },
    {
      what: "16 MiB at 2 ms, 10 % loss each way: time to loss-free",
      bar: atMost(2),
      value: ({ ten, clean }) => ten.seconds / clean.seconds,
      detail: ({ ten, clean }) => `${s(ten.seconds)} to ${s(clean.seconds)}`,
    },
  ],
};

/** One packet lost in a single warm read at 2 ms. */
export const lost = {
  name: "lost",
  sample: (peers, { seed }) =>
    peers.withBoard({ delayUs: 2000, seed }, ({ host, port }) => peers.job({ job: "lost", host, port, reads: 40 })),
  rows: [
    {
      what: "one lost packet in a warm single read at 2 ms: repeated after",
      bar: atMost(10, " ms"),
      unit: "ms",
      value: ({ medianMs }) => medianMs,
      detail: ({ worstMs }) => `worst of 40: ${ms(worstMs)}`,
    },
  ],
};

/** The board falls silent in the middle of a conversation. */
export const dead = {
  name: "dead",
  sample: (peers, { seed }) =>
    peers.withBoard({ seed }, ({ host, port, pid }) => peers.job({ job: "dead", host, port, boardPid: pid, bytes: MIB })),
  rows: [
    {
      what: "1 MiB from a board that died: time to the error",
      bar: atMost(15, " s"),
      unit: "s",
      value: ({ seconds, code }) => (code === undefined ? undefined : seconds),
      detail: ({ code }) => String(code),
    },
  ],
};

/** Several boards at 2 ms, read at once from one process. */
export const boards = {
  name: "boards",
  async sample(peers, { scale, seed }) {
    const bytes = MIB * scale;
    const places = await Promise.all(Array.from({ length: 16 }, () => peers.startBoard({ delayUs: 2000, seed })));
    try {
      const read = (count) => peers.job({ job: "boards", bytes, places: places.slice(0, count).map(({ host, port }) => ({ host, port })) });
      return { one: await read(1), four: await read(4), sixteen: await read(16) };
    } finally {
      await Promise.all(places.map((board) => board.stop()));
    }
  },
  rows: [
    {
      what: "4 boards at 2 ms: aggregate to one board",
      bar: atLeast(3.8),
      value: ({ four, one }) => four.bytesPerSecond / one.bytesPerSecond,
      detail: ({ four, one }) => `${(four.bytesPerSecond / MIB).toFixed(1)} to ${(one.bytesPerSecond / MIB).toFixed(2)} MiB/s`,
    },
    {
      what: "16 boards at 2 ms: aggregate to one board",
      bar: atLeast(12),
      value: ({ sixteen, one }) => sixteen.bytesPerSecond / one.bytesPerSecond,
      detail: ({ sixteen, one }) => `${(sixteen.bytesPerSecond / MIB).toFixed(1)} to ${(one.bytesPerSecond / MIB).toFixed(2)} MiB/s`,
    },
  ],
};

/** A long read into a file. */
export const memory = {
  name: "memory",
  sample: (peers, { scale, seed, folder }) =>
    peers.withBoard({ seed }, ({ host, port }) =>
      peers.job({ job: "save", host, port, bytes: 1024 * MIB * scale, path: `${folder}/spinn-bench-${process.pid}.bin` }),
    ),
  rows: [
    {
      what: "1 GiB to a file: resident memory",
      bar: atMost(150, " MB"),
      unit: "MB",
      value: ({ residentBytes }) => residentBytes / 1e6,
      detail: ({ seconds }) => `in ${s(seconds)}`,
    },
  ],
};

/** Time per byte as the work grows, one after another within one process, so that all see the same machine. */
export const growth = {
  name: "growth",
  sample: (peers, { scale, seed }) =>
    peers.withBoard({ seed }, ({ host, port }) =>
      peers.job({ job: "growth", host, port, sizes: [1, 16, 256].map((mib) => mib * MIB * scale), enough: 64 * MIB * scale }),
    ),
  rows: [
    {
      what: "time per byte of 1, 16, 256 MiB: dearest to cheapest",
      bar: atMost(1.1),
      value: ({ perByte }) => Math.max(...perByte) / Math.min(...perByte),
      detail: ({ perByte, cpuPerByte }) =>
        [perByte, cpuPerByte].map((times) => `${times.map((each) => (each * 1e9).toFixed(1)).join(", ")} ns`).join("; CPU "),
    },
  ],
};

export const measures = [speed, loss, busy, distant, lost, dead, boards, memory, growth];
