/**
 * The file that says that a folder is an OCI image layout.
 *
 * @module
 */

/**
 * Checks that a layout is of a version that is known here.
 *
 * @param marker The file `oci-layout`.
 * @throws {SyntaxError} If it is not.
 */
export function checkLayoutVersion(marker: Uint8Array): void {
  let version: unknown;
  try {
    version = JSON.parse(new TextDecoder().decode(marker))?.imageLayoutVersion;
  } catch (cause) {
    throw new SyntaxError(
      'Cannot read image layout: "oci-layout" is not JSON',
      {
        cause,
      },
    );
  }
  if (typeof version !== "string" || !version.startsWith("1.")) {
    throw new SyntaxError(
      `Cannot read image layout: version ${
        JSON.stringify(version)
      } is not known`,
    );
  }
}
