/**
 * Undoing `attach()`.
 *
 * @module
 */

import { undoAttachment } from "./_attachment_undo.ts";
import type { RequestOptions } from "./route_socket.ts";

/**
 * Undoes `attach()` by its key, from any process, from what the kernel knows:
 * closes the ports, deletes the links and removes a bridge that `attach()` made
 * and nobody uses any more. What is gone already is no error.
 *
 * @param key The key of the attachment.
 * @param options How to wait.
 * @returns Whether there was anything.
 * @throws {NetlinkError} If the kernel refuses.
 *
 * @example Usage
 * ```ts ignore
 * import { detach } from "@containerkit/network";
 *
 * await detach("web");
 * ```
 */
export function detach(
  key: string,
  options: RequestOptions = {},
): Promise<boolean> {
  return undoAttachment(key, options);
}
