import { createTarParser, TarError } from "@containerkit/tar";

/** The unit of archives. */
const BLOCK = 512;
const NO_SINK = { entry() {}, data() {}, end() {} };

function refuse(cause?: unknown): never {
  throw new TarError("it is no tar: it begins with no header", 0, { cause });
}

function isZero(bytes: Uint8Array): boolean {
  return bytes.every((byte) => byte === 0);
}

/** Checks the first block of an archive. */
function checkHeader(block: Uint8Array): void {
  try {
    createTarParser(NO_SINK).push(block);
  } catch (cause) {
    refuse(cause);
  }
}

/** Looks at an archive as it comes. */
class TarProof {
  readonly #block = new Uint8Array(BLOCK);
  #filled = 0;
  #isEmpty = false;

  add(chunk: Uint8Array): void {
    if (this.#filled < BLOCK) {
      const head = chunk.subarray(0, BLOCK - this.#filled);
      this.#block.set(head, this.#filled);
      this.#filled += head.length;
      if (this.#filled < BLOCK) return;
      this.#isEmpty = isZero(this.#block);
      if (!this.#isEmpty) checkHeader(this.#block);
    }
    if (this.#isEmpty && !isZero(chunk)) refuse();
  }

  end(): void {
    // That there is nothing at all has an error of its own.
    if (this.#filled > 0 && this.#filled < BLOCK) refuse();
  }
}

/**
 * Passes an archive on that begins as a tar does: with a header, or, without entries, with zeros and nothing else. So a zip or a JSON
 * ends it, and a disk image, many of which begin with zeros too. What follows the first header is up to whoever unpacks it.
 */
export function proveTar(
  archive: ReadableStream<Uint8Array>,
): ReadableStream<Uint8Array> {
  const proof = new TarProof();
  const reader = archive.getReader();
  // Not by a transform stream: packing without compression took a fifth longer with one.
  return new ReadableStream({
    async pull(controller) {
      const { done, value } = await reader.read();
      try {
        if (done) proof.end();
        else proof.add(value);
      } catch (error) {
        await reader.cancel(error);
        throw error;
      }
      if (done) controller.close();
      else controller.enqueue(value);
    },
    cancel: (reason) => reader.cancel(reason),
  }, { highWaterMark: 0 });
}
