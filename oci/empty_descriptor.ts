/**
 * The descriptor of nothing.
 *
 * @module
 */

import type { Descriptor } from "./descriptor.ts";

/**
 * The descriptor of `{}`, which stands where an artifact has no config or no layer. Its content is in `data`.
 *
 * @example Usage
 * ```ts
 * import { EMPTY_DESCRIPTOR } from "@containerkit/oci";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(atob(EMPTY_DESCRIPTOR.data!), "{}");
 * ```
 */
export const EMPTY_DESCRIPTOR: Descriptor = {
  mediaType: "application/vnd.oci.empty.v1+json",
  digest:
    "sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a",
  size: 2,
  data: "e30=",
};
