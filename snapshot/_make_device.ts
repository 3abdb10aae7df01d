/** The number of a device, as `makedev(3)` makes it. */
export function makeDevice(major: number, minor: number): bigint {
  const [high, low] = [BigInt(major), BigInt(minor)];
  return (high & 0xfffff000n) << 32n | (high & 0xfffn) << 8n |
    (low & 0xffffff00n) << 12n | low & 0xffn;
}
