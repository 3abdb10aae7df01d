import {
  be32,
  be64,
  type Field,
  type Fields,
  numberWord,
  readFields,
  readText,
  text,
  view,
  word,
  wordNumber,
  writeFields,
} from "./_fields.ts";
import type { MessageWriter } from "./message_writer.ts";
import type {
  NftBitwise,
  NftCompare,
  NftConntrack,
  NftCounter,
  NftExpression,
  NftFib,
  NftImmediate,
  NftLookup,
  NftMeta,
  NftNat,
  NftPayload,
  NftVerdict,
} from "./nft_expression.ts";
import { parseAttributes } from "./parse_attributes.ts";

type Bytes = Uint8Array<ArrayBuffer>;
type Attributes = ReadonlyMap<number, Bytes>;

/** `NFTA_DATA_*`: what data of an element or an expression is. */
export const DATA = { VALUE: 1, VERDICT: 2 };
const VERDICTS = {
  drop: 0,
  accept: 1,
  continue: -1,
  jump: -3,
  goto: -4,
  return: -5,
} as const;
/** The register number of verdicts. */
const VERDICT_REGISTER = 0;
const ADDRTYPE = 3;
const FIB_DADDR = 2;
const NAT_MAP_IPS = 1;
const NAT_PROTO = 2;
const LOOKUP_INVERTED = 1;

/** A value in its nest. */
const value = (type: number): Field<Bytes> => ({
  type,
  write: (writer, data) =>
    writer.nest(type, () => writer.attribute(DATA.VALUE, data)),
  read: (data) => required(parseAttributes(data), DATA.VALUE),
});

function required(attributes: Attributes, type: number): Bytes {
  const data = attributes.get(type);
  if (data === undefined) {
    throw new SyntaxError(
      `Cannot parse an nftables expression: attribute ${type} is missing`,
    );
  }
  return data;
}

type Bare<T> = Omit<T, "type">;

const META: Fields<Bare<NftMeta>> = {
  register: be32(1),
  key: word(be32(2), {
    protocol: 1,
    mark: 3,
    iif: 4,
    oif: 5,
    iifname: 6,
    oifname: 7,
    nfproto: 15,
    l4proto: 16,
  }),
};
const PAYLOAD: Fields<Bare<NftPayload>> = {
  register: be32(1),
  base: word(be32(2), { link: 0, network: 1, transport: 2 }),
  offset: be32(3),
  length: be32(4),
};
const COMPARE: Fields<Bare<NftCompare>> = {
  register: be32(1),
  op: word(be32(2), { eq: 0, neq: 1, lt: 2, lte: 3, gt: 4, gte: 5 }),
  data: value(3),
};
interface Bitwise extends Bare<NftBitwise> {
  readonly target: number;
  readonly length: number;
}
const BITWISE: Fields<Bitwise> = {
  register: be32(1),
  target: be32(2),
  length: be32(3),
  mask: value(4),
  xor: value(5),
};
const IMMEDIATE: Fields<Bare<NftImmediate>> = {
  register: be32(1),
  data: value(2),
};
interface Lookup extends Omit<Bare<NftLookup>, "inverted"> {
  readonly flags?: number | undefined;
}
const LOOKUP: Fields<Lookup> = {
  set: text(1),
  register: be32(2),
  into: be32(3),
  flags: be32(5),
};
interface Nat extends Bare<NftNat> {
  readonly flags?: number | undefined;
}
const NAT: Fields<Nat> = {
  nat: word(be32(1), { snat: 0, dnat: 1 }),
  family: word(be32(2), { ip: 2, ip6: 10 }),
  address: be32(3),
  port: be32(5),
  flags: be32(7),
};
interface Fib extends Bare<NftFib> {
  readonly result: number;
  readonly flags: number;
}
const FIB: Fields<Fib> = { register: be32(1), result: be32(2), flags: be32(3) };
const CT: Fields<Bare<NftConntrack>> = {
  register: be32(1),
  key: word(be32(2), { state: 0, direction: 1, status: 2, mark: 3 }),
};
const COUNTER: Fields<Bare<NftCounter>> = { bytes: be64(1), packets: be64(2) };

function writeVerdict(writer: MessageWriter, verdict: NftVerdict): void {
  be32(1).write(writer, VERDICT_REGISTER);
  writer.nest(2, () => writeVerdictData(writer, verdict));
}

/** A verdict as data, for rules and for elements of verdict maps. */
export function writeVerdictData(
  writer: MessageWriter,
  verdict: Omit<NftVerdict, "type">,
): void {
  writer.nest(DATA.VERDICT, () => {
    writer.attributeBe32(1, wordNumber(VERDICTS, verdict.verdict));
    if (verdict.chain !== undefined) writer.string(2, verdict.chain);
  });
}

/** Writes the attributes of one expression. */
export function writeBody(
  writer: MessageWriter,
  expression: NftExpression,
): void {
  switch (expression.type) {
    case "meta":
      return writeFields(writer, META, expression);
    case "payload":
      return writeFields(writer, PAYLOAD, expression);
    case "cmp":
      return writeFields(writer, COMPARE, expression);
    case "bitwise":
      return writeFields(writer, BITWISE, {
        ...expression,
        target: expression.register,
        length: expression.mask.length,
      });
    case "immediate":
      return writeFields(writer, IMMEDIATE, expression);
    case "verdict":
      return writeVerdict(writer, expression);
    case "lookup":
      return writeFields(writer, LOOKUP, {
        ...expression,
        flags: expression.inverted ? LOOKUP_INVERTED : undefined,
      });
    case "masq":
      return;
    case "nat":
      return writeFields(writer, NAT, {
        ...expression,
        flags: (expression.address === undefined ? 0 : NAT_MAP_IPS) |
          (expression.port === undefined ? 0 : NAT_PROTO),
      });
    case "fib":
      return writeFields(writer, FIB, {
        ...expression,
        result: ADDRTYPE,
        flags: FIB_DADDR,
      });
    case "ct":
      return writeFields(writer, CT, expression);
    case "counter":
      return writeFields(writer, COUNTER, expression);
    case "raw":
      writer.raw(expression.data);
  }
}

/** Writes the expressions of a rule. */
export function writeExpressions(
  writer: MessageWriter,
  expressions: readonly NftExpression[],
): void {
  for (const expression of expressions) {
    const name = expression.type === "verdict"
      ? "immediate"
      : expression.type === "raw"
      ? expression.name
      : expression.type;
    writer.nest(1, () => {
      writer.string(1, name);
      writer.nest(2, () => writeBody(writer, expression));
    });
  }
}

function readImmediate(attributes: Attributes): NftExpression {
  const data = parseAttributes(required(attributes, 2));
  const verdict = data.get(DATA.VERDICT);
  if (verdict === undefined) {
    return { type: "immediate", ...readAll(IMMEDIATE, attributes) };
  }
  return { type: "verdict", ...readVerdictData(verdict) };
}

/** Reads a verdict as data. */
export function readVerdictData(data: Bytes): Omit<NftVerdict, "type"> {
  const fields = parseAttributes(data);
  const code = view(required(fields, 1), 4).getInt32(0);
  const chain = fields.get(2);
  return {
    verdict: numberWord(VERDICTS, code),
    ...(chain && { chain: readText(chain) }),
  };
}

/** Reads fields of which the required ones must be there. */
function readAll<T extends object>(
  fields: Fields<T>,
  attributes: Attributes,
): T {
  return readFields(fields, attributes) as T;
}

const READERS: Readonly<
  Record<string, (attributes: Attributes) => NftExpression>
> = {
  meta: (attributes) => ({ type: "meta", ...readAll(META, attributes) }),
  payload: (attributes) => ({
    type: "payload",
    ...readAll(PAYLOAD, attributes),
  }),
  cmp: (attributes) => ({ type: "cmp", ...readAll(COMPARE, attributes) }),
  bitwise(attributes) {
    const { register, mask, xor } = readAll(BITWISE, attributes);
    return { type: "bitwise", register, mask, xor };
  },
  immediate: readImmediate,
  lookup(attributes) {
    const { flags, ...rest } = readAll(LOOKUP, attributes);
    return { type: "lookup", ...rest, ...(flags && { inverted: true }) };
  },
  masq: () => ({ type: "masq" }),
  nat(attributes) {
    const { flags: _, ...rest } = readAll(NAT, attributes);
    return { type: "nat", ...rest };
  },
  fib: (attributes) => ({
    type: "fib",
    register: readAll(FIB, attributes).register,
  }),
  ct: (attributes) => ({ type: "ct", ...readAll(CT, attributes) }),
  counter: (attributes) => ({
    type: "counter",
    ...readAll(COUNTER, attributes),
  }),
};

/** Whether an expression has a form of its own. */
export function isTyped(name: string): boolean {
  return Object.hasOwn(READERS, name);
}

/** Reads an expression that has a form of its own, as far as that goes. */
export function readTyped(
  name: string,
  attributes: Attributes,
): NftExpression {
  return READERS[name]!(attributes);
}
