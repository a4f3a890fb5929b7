/** A member of a dict, whichever form it was read in; undefined when there is none. */
export function member(dict: unknown, name: string): unknown {
  if (dict instanceof Map) return dict.get(name);
  return typeof dict === "object" && dict !== null && Object.hasOwn(dict, name) ? (dict as Record<string, unknown>)[name] : undefined;
}

export function asText(value: unknown): string | undefined {
  return typeof value === "string" ? value : undefined;
}
