/**
 * Attributes of the host, not of the file: a label or a measurement of this
 * machine would be wrong on another.
 */
const HOST_XATTRS: ReadonlySet<string> = new Set([
  "security.selinux",
  "security.ima",
  "security.evm",
  "security.apparmor",
]);

/** Whether an attribute belongs in a layer. */
export function isPortableXattr(key: string): boolean {
  return !key.startsWith("trusted.") && !key.startsWith("user.overlay.") &&
    !HOST_XATTRS.has(key);
}
