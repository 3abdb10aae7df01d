/**
 * The contract of a content store as tests, for whoever makes another one.
 *
 * ```ts ignore
 * import { openStore } from "@containerkit/content";
 * import { contentSuite } from "@containerkit/content/testing";
 *
 * contentSuite("files", openStore);
 * ```
 *
 * @module
 */

export * from "./content_suite.ts";
