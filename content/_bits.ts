/** A set of small integers. */
export class Bits {
  #bytes: Uint8Array = new Uint8Array(1024);

  has(index: number): boolean {
    return ((this.#bytes[index >> 3] ?? 0) & (1 << (index & 7))) !== 0;
  }

  /** @returns Whether it was not there. */
  add(index: number): boolean {
    const at = index >> 3;
    if (at >= this.#bytes.length) {
      const grown = new Uint8Array(Math.max(at + 1, this.#bytes.length * 2));
      grown.set(this.#bytes);
      this.#bytes = grown;
    }
    const bit = 1 << (index & 7);
    if ((this.#bytes[at]! & bit) !== 0) return false;
    this.#bytes[at]! |= bit;
    return true;
  }
}
