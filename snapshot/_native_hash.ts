import type { DigestAlgorithm } from "@containerkit/oci";
import type { LayerHash } from "@containerkit/tar/layer";
import { type Bytes, held } from "./_decompressor.ts";
import { libcrypto } from "./_native_symbols.ts";

/** Less than this is hashed sooner than handed over. */
const ELSEWHERE = 1 << 15;

class NativeHash implements LayerHash {
  readonly #lib: NonNullable<ReturnType<typeof libcrypto>>;
  readonly #context: Deno.PointerObject;
  readonly #size: number;
  #last: Promise<void> | undefined;

  constructor(
    lib: NonNullable<ReturnType<typeof libcrypto>>,
    context: Deno.PointerObject,
    size: number,
  ) {
    this.#lib = lib;
    this.#context = context;
    this.#size = size;
  }

  update(bytes: Uint8Array): void | Promise<void> {
    const size = BigInt(bytes.length);
    const data = bytes as Bytes;
    if (bytes.length < ELSEWHERE && this.#last === undefined) {
      this.#lib.EVP_DigestUpdate(this.#context, data, size);
      return;
    }
    const before = this.#last;
    const update = async () => {
      await before;
      const call = this.#lib.update_elsewhere(this.#context, data, size);
      await held(call, data);
      if (this.#last === mine) this.#last = undefined;
    };
    const mine: Promise<void> = update();
    this.#last = mine;
    return mine;
  }

  digest(): string {
    const bytes = new Uint8Array(new ArrayBuffer(this.#size));
    this.#lib.EVP_DigestFinal_ex(this.#context, bytes, null);
    return bytes.toHex();
  }

  [Symbol.dispose](): void {
    const free = () => this.#lib.EVP_MD_CTX_free(this.#context);
    if (this.#last === undefined) free();
    else this.#last.finally(free);
  }
}

const SIZES: Readonly<Record<DigestAlgorithm, number>> = {
  sha256: 32,
  sha384: 48,
  sha512: 64,
};

/** A hash function of OpenSSL, if it is on this machine. */
export function openNativeHash(
  algorithm: DigestAlgorithm,
): LayerHash | undefined {
  const lib = libcrypto();
  if (lib === undefined) return undefined;
  const context = lib.EVP_MD_CTX_new();
  if (context === null) return undefined;
  const type = lib[`EVP_${algorithm}`]();
  if (lib.EVP_DigestInit_ex(context, type, null) !== 1) {
    lib.EVP_MD_CTX_free(context);
    return undefined;
  }
  return new NativeHash(lib, context, SIZES[algorithm]);
}
