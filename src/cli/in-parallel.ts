/** Chips that are asked at a time: enough for several boards, each of which has 8 requests under way at most. */
export const CHIPS_AT_A_TIME = 64;

/** Does work for each item, a few at a time; results in the order of the items. The first failure ends it. */
export async function inParallel<T, R>(items: readonly T[], atATime: number, work: (item: T) => Promise<R>): Promise<R[]> {
  const { default: PQueue } = await import("p-queue");
  const queue = new PQueue({ concurrency: atATime });
  return queue.addAll(items.map((item) => () => work(item)));
}
