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

/**
 * Passes an archive on that begins as a tar does: with a header, or, without entries, with zeros and nothing else. So a zip or a JSON
 * ends it, and a disk image, many of which begin with zeros too. What follows the first header is up to whoever unpacks it.
 */
export function proveTar(): TransformStream<Uint8Array, Uint8Array> {
  const block = new Uint8Array(BLOCK);
  let filled = 0;
  let isEmpty = false;
  return new TransformStream({
    transform(chunk, controller) {
      if (filled < BLOCK) {
        const head = chunk.subarray(0, BLOCK - filled);
        block.set(head, filled);
        filled += head.length;
        isEmpty = filled === BLOCK && isZero(block);
        if (filled === BLOCK && !isEmpty) checkHeader(block);
      }
      if (isEmpty && !isZero(chunk)) refuse();
      controller.enqueue(chunk);
    },
    flush() {
      // That there is nothing at all has an error of its own.
      if (filled > 0 && filled < BLOCK) refuse();
    },
  });
}
