import { readText } from "./_fields.ts";
import { isTyped, readTyped, writeBody } from "./_nft_codec.ts";
import { giveWriter, takeWriter } from "./_spare_writer.ts";
import type { NftExpression } from "./nft_expression.ts";
import { parseAttributes } from "./parse_attributes.ts";

type Bytes = Uint8Array<ArrayBuffer>;
type Attributes = ReadonlyMap<number, Bytes>;

/** What is the other in every expression that has no range. */
const SAME_AS: Readonly<Record<string, Readonly<Record<number, number>>>> = {
  nat: { 4: 3, 6: 5 },
};

function isEqual(a: Bytes, b: Bytes | undefined): boolean {
  if (a.length !== b?.length) return false;
  for (let at = 0; at < a.length; at++) if (a[at] !== b[at]) return false;
  return true;
}

/**
 * Whether the typed form holds all of what the kernel says: what it would send
 * is the same, but for what is zero. Else it would be another rule.
 */
function isWhole(
  expression: NftExpression,
  name: string,
  attributes: Attributes,
): boolean {
  const writer = takeWriter();
  let sent: Attributes;
  try {
    writeBody(writer, expression);
    sent = parseAttributes(writer.bytes.slice());
  } catch {
    // It has something that has no word here.
    return false;
  } finally {
    giveWriter(writer);
  }
  if (expression.type === "verdict") return true;
  return attributes.entries().every(([type, data]) => {
    const same = SAME_AS[name]?.[type];
    return isEqual(data, sent.get(type)) ||
      same !== undefined && isEqual(data, attributes.get(same)) ||
      !sent.has(type) && data.every((byte) => byte === 0);
  });
}

/** Reads one expression from its list element. */
export function readExpression(data: Bytes): NftExpression {
  const fields = parseAttributes(data);
  const title = fields.get(1);
  if (title === undefined) {
    throw new SyntaxError(
      "Cannot parse an nftables expression: its name is missing",
    );
  }
  const name = readText(title);
  const body = fields.get(2) ?? new Uint8Array();
  const raw: NftExpression = { type: "raw", name, data: body };
  if (!isTyped(name)) return raw;
  const attributes = parseAttributes(body);
  const typed = readTyped(name, attributes);
  return isWhole(typed, name, attributes) ? typed : raw;
}
