/** An element of XML 1.0, as far as reports use it: no namespaces, no comments, no document type. */
export interface Element {
  readonly name: string;
  readonly attributes: Readonly<Record<string, string>>;
  readonly children: readonly (Element | string)[];
}

const TOKEN = /<\?xml[^?]*\?>|<(\/?)([A-Za-z_][\w.-]*)((?:\s+[\w.-]+="[^"<]*")*)\s*(\/?)>|([^<]+)/gy;
const ENTITIES: Readonly<Record<string, string>> = { amp: "&", lt: "<", gt: ">", quot: '"', apos: "'" };

/** Reads a document and throws unless it is well-formed: one root, closed elements, known entities, allowed characters, no attribute twice. */
export function parseXml(text: string): Element {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what must not be there
  const bad = /[\u0000-\u0008\u000b\u000c\u000e-\u001f\ufffe\uffff]|\p{Cs}/u.exec(text);
  if (bad !== null) throw new Error(`character ${bad[0].charCodeAt(0)} at ${bad.index}`);
  const root: Element & { children: (Element | string)[] } = { name: "", attributes: {}, children: [] };
  const open = [root];
  let end = 0;
  for (const match of text.matchAll(TOKEN)) {
    if (match.index !== end) break;
    end = match.index + match[0].length;
    const [, closing, name, attributes, empty, words] = match;
    const top = open.at(-1)!;
    if (words !== undefined) {
      if (words.includes("]]>")) throw new Error("]]> in text");
      const plain = plainText(words);
      if (plain.trim() === "" || open.length > 1) {
        if (plain.trim() !== "") top.children.push(plain);
      } else throw new Error("text outside the root");
    } else if (name !== undefined && closing === "/") {
      if (top.name !== name || open.length === 1) throw new Error(`</${name}> closes ${top.name}`);
      open.pop();
    } else if (name !== undefined) {
      const element = { name, attributes: readAttributes(attributes ?? ""), children: [] };
      top.children.push(element);
      if (empty !== "/") open.push(element);
    }
  }
  if (end !== text.length) throw new Error(`no XML at ${end}: ${text.slice(end, end + 40)}`);
  if (open.length !== 1) throw new Error(`<${open.at(-1)!.name}> is not closed`);
  const [only, second] = root.children;
  if (only === undefined || typeof only === "string" || second !== undefined) throw new Error("not one root");
  return only;
}

function readAttributes(text: string): Record<string, string> {
  const attributes: Record<string, string> = {};
  for (const [, name, value] of text.matchAll(/([\w.-]+)="([^"]*)"/g)) {
    if (name! in attributes) throw new Error(`${name} twice`);
    attributes[name!] = plainText(value!);
  }
  return attributes;
}

function plainText(text: string): string {
  return text.replace(/&(?:#(\d+)|(\w+));|&/g, (whole, code?: string, name?: string) => {
    if (code !== undefined) return String.fromCodePoint(Number(code));
    if (name !== undefined && name in ENTITIES) return ENTITIES[name]!;
    throw new Error(`entity ${whole}`);
  });
}
