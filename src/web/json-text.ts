/** Most members of one list that are shown; the page draws, it does not archive. */
const MAX_LIST = 100_000;

/** Any value that is published, as JSON: what JSON has no word for becomes what a page can show. */
export function jsonText(value: unknown): string {
  return JSON.stringify(value, (_, one: unknown) => {
    if (typeof one === "bigint") return one.toString();
    if (typeof one !== "object" || one === null) return one;
    if (one instanceof Map) return Object.fromEntries(Array.from(one, ([key, inner]) => [String(key), inner as unknown]));
    if (one instanceof Set) return [...one];
    if (one instanceof Uint8Array) return { bytes: one.length };
    if (ArrayBuffer.isView(one) && !(one instanceof DataView)) return Array.from(one as unknown as ArrayLike<number>).slice(0, MAX_LIST);
    return one;
  });
}
