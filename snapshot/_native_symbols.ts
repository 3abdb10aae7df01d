/** Libraries that distributions have, on Deno's threads for what blocks. */

const CODEC = { nonblocking: true, result: "i32" } as const;

const ZLIB = {
  /** `int inflateInit2_(z_stream *strm, int windowBits, const char *version, int stream_size)` */
  inflateInit2_: {
    parameters: ["buffer", "i32", "buffer", "i32"],
    result: "i32",
  },
  /** `int inflate(z_stream *strm, int flush)`, on another thread. */
  inflate: { parameters: ["buffer", "i32"], ...CODEC },
  /** `int inflateReset(z_stream *strm)` */
  inflateReset: { parameters: ["buffer"], result: "i32" },
  /** `int inflateEnd(z_stream *strm)` */
  inflateEnd: { parameters: ["buffer"], result: "i32" },
} as const satisfies Deno.ForeignLibraryInterface;

const ISAL = {
  /** `void isal_inflate_init(struct inflate_state *state)` */
  isal_inflate_init: { parameters: ["buffer"], result: "void" },
  /** `void isal_inflate_reset(struct inflate_state *state)` */
  isal_inflate_reset: { parameters: ["buffer"], result: "void" },
  /** `int isal_inflate(struct inflate_state *state)`, on another thread. */
  isal_inflate: { parameters: ["buffer"], ...CODEC },
  /** The same on this thread. */
  isal_inflate_here: {
    name: "isal_inflate",
    parameters: ["buffer"],
    result: "i32",
  },
} as const satisfies Deno.ForeignLibraryInterface;

const ZSTD = {
  /** `ZSTD_DStream *ZSTD_createDStream(void)` */
  ZSTD_createDStream: { parameters: [], result: "pointer" },
  /** `size_t ZSTD_freeDStream(ZSTD_DStream *zds)` */
  ZSTD_freeDStream: { parameters: ["pointer"], result: "usize" },
  /** `size_t ZSTD_decompressStream(ZSTD_DStream *zds, ZSTD_outBuffer *output, ZSTD_inBuffer *input)`, on another thread. */
  ZSTD_decompressStream: {
    parameters: ["pointer", "buffer", "buffer"],
    result: "usize",
    nonblocking: true,
  },
  /** `unsigned ZSTD_isError(size_t code)` */
  ZSTD_isError: { parameters: ["usize"], result: "u32" },
} as const satisfies Deno.ForeignLibraryInterface;

/** Registers nothing that frees memory at exit: other threads may be ending then, which free the same. */
const OPENSSL_INIT_NO_ATEXIT = 0x80000n;

const CRYPTO = {
  /** `int OPENSSL_init_crypto(uint64_t opts, const OPENSSL_INIT_SETTINGS *settings)` */
  OPENSSL_init_crypto: { parameters: ["u64", "pointer"], result: "i32" },
  /** `EVP_MD_CTX *EVP_MD_CTX_new(void)` */
  EVP_MD_CTX_new: { parameters: [], result: "pointer" },
  /** `void EVP_MD_CTX_free(EVP_MD_CTX *ctx)` */
  EVP_MD_CTX_free: { parameters: ["pointer"], result: "void" },
  /** `const EVP_MD *EVP_sha256(void)` */
  EVP_sha256: { parameters: [], result: "pointer" },
  /** `const EVP_MD *EVP_sha384(void)` */
  EVP_sha384: { parameters: [], result: "pointer" },
  /** `const EVP_MD *EVP_sha512(void)` */
  EVP_sha512: { parameters: [], result: "pointer" },
  /** `int EVP_DigestInit_ex(EVP_MD_CTX *ctx, const EVP_MD *type, ENGINE *impl)` */
  EVP_DigestInit_ex: {
    parameters: ["pointer", "pointer", "pointer"],
    result: "i32",
  },
  /** `int EVP_DigestUpdate(EVP_MD_CTX *ctx, const void *d, size_t cnt)` */
  EVP_DigestUpdate: {
    parameters: ["pointer", "buffer", "usize"],
    result: "i32",
  },
  /** The same on another thread. */
  update_elsewhere: {
    name: "EVP_DigestUpdate",
    parameters: ["pointer", "buffer", "usize"],
    ...CODEC,
  },
  /** `int EVP_DigestFinal_ex(EVP_MD_CTX *ctx, unsigned char *md, unsigned int *s)` */
  EVP_DigestFinal_ex: {
    parameters: ["pointer", "buffer", "pointer"],
    result: "i32",
  },
} as const satisfies Deno.ForeignLibraryInterface;

/** Symbols of a library that may be missing; looked for at the first call. */
function optional<const S extends Deno.ForeignLibraryInterface>(
  name: string,
  symbols: S,
  prepare?: (library: Deno.StaticForeignLibraryInterface<S>) => void,
): () => Deno.StaticForeignLibraryInterface<S> | undefined {
  let found: { symbols?: Deno.StaticForeignLibraryInterface<S> } | undefined;
  return () => {
    if (found !== undefined) return found.symbols;
    found = {};
    // Under a scope a bare name would be a file of the working directory, where anybody may put one.
    const { state } = Deno.permissions.querySync({ name: "ffi" });
    if (state !== "granted") return undefined;
    try {
      found = Deno.dlopen(name, symbols);
    } catch {
      // Not on this machine, or another version: the runtime's own does the work.
      return undefined;
    }
    prepare?.(found.symbols!);
    return found.symbols;
  };
}

/** Intel's storage library, where somebody installed it. */
export const isal = optional("libisal.so.2", ISAL);
/** zlib, where it is. */
export const zlib = optional("libz.so.1", ZLIB);
/** zstd, where it is. */
export const zstd = optional("libzstd.so.1", ZSTD);
/** The hash functions of OpenSSL, where they are. */
export const libcrypto = optional(
  "libcrypto.so.3",
  CRYPTO,
  (lib) => void lib.OPENSSL_init_crypto(OPENSSL_INIT_NO_ATEXIT, null),
);
