/**
 * A streaming tar codec and layer streams. Pure: no permission is needed.
 *
 * @module
 */

export {};
