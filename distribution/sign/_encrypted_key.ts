/**
 * Telling cosign's encrypted keys.
 *
 * @module
 */

/** What they are labelled by, the newer one first. */
export const LABELS: readonly string[] = [
  "ENCRYPTED SIGSTORE PRIVATE KEY",
  "ENCRYPTED COSIGN PRIVATE KEY",
];
/** Whether a text is one of cosign's encrypted keys. */
export function isEncryptedKey(text: string): boolean {
  return LABELS.some((label) => text.includes(`-----BEGIN ${label}-----`));
}
