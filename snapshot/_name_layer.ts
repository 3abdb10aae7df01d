/**
 * Which layer an error is about.
 *
 * @module
 */

/**
 * Puts the layer in front of an error's message. The error stays the same one: who looks at its class and fields finds them.
 *
 * @param error What was thrown.
 * @param digest The layer's digest. A message that has it already stays as it is.
 */
export function nameLayer(error: unknown, digest: string): void {
  // The message of a DOMException, such as that of a signal, cannot be set.
  if (!(error instanceof Error) || error instanceof DOMException) return;
  if (error.message.includes(digest)) return;
  error.message = `Cannot unpack layer "${digest}": ${error.message}`;
}
