/** The attribute with the capabilities that a file gives. */
export const CAPABILITY = "security.capability";

/** Its forms: the third names the root in whose user namespace they count, the second means that of the host. */
const VERSION = 0xff000000;
const VERSION_2 = 0x02000000;
const VERSION_3 = 0x03000000;
const SIZES: Readonly<Record<number, number>> = {
  [VERSION_2]: 20,
  [VERSION_3]: 24,
};

/** The same capabilities for another root; what has an unknown form stays. */
export function mapCapability(
  value: Uint8Array,
  mapUid: (uid: number) => number | undefined,
): Uint8Array<ArrayBuffer> {
  const mapped = new Uint8Array(SIZES[VERSION_3]!);
  const same = new Uint8Array(value);
  if (value.length < 4 || value.length > mapped.length) return same;
  mapped.set(value);
  const view = new DataView(mapped.buffer);
  const magic = view.getUint32(0, true);
  const version = (magic & VERSION) >>> 0;
  if (SIZES[version] !== value.length) return same;
  const root = view.getUint32(20, true);
  const now = mapUid(root);
  if (now === undefined || now === root) return same;
  const becomes = now === 0 ? VERSION_2 : VERSION_3;
  view.setUint32(0, (magic & ~VERSION) | becomes, true);
  view.setUint32(20, now, true);
  return mapped.slice(0, SIZES[becomes]);
}
