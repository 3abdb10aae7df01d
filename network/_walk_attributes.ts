type Bytes = Uint8Array<ArrayBuffer>;

/** Attributes by type, of those that occur more than once the last; such as a `Map`. */
export interface AttributesByType {
  get(type: number): Bytes | undefined;
}

/** Visits the attributes in a message or a nest, in order: their types, and where their data start and end. */
export function walkAttributes(
  bytes: Bytes,
  offset: number,
  visit: (type: number, start: number, end: number) => void,
): void {
  for (let at = offset; at < bytes.length;) {
    const left = bytes.length - at;
    const length = left < 4 ? 0 : bytes[at]! | bytes[at + 1]! << 8;
    if (length < 4 || length > left) {
      throw new SyntaxError(
        `Cannot parse netlink attributes: ${length} is no length for ${left} bytes`,
      );
    }
    // Without the marks of nests and byte order.
    const type = (bytes[at + 2]! | bytes[at + 3]! << 8) & 0x3fff;
    visit(type, at + 4, at + length);
    at += length + 3 & ~3;
  }
}

/** Cuts out of many attributes only those that are asked for: a link has some fifty, of which most are not. */
export function indexAttributes(bytes: Bytes, offset = 0): AttributesByType {
  const starts = new Map<number, number>();
  walkAttributes(bytes, offset, (type, start) => starts.set(type, start));
  return {
    get(type) {
      const start = starts.get(type);
      if (start === undefined) return undefined;
      const length = bytes[start - 4]! | bytes[start - 3]! << 8;
      return bytes.subarray(start, start - 4 + length);
    },
  };
}
