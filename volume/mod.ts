/**
 * Volumes: storage that outlives a container.
 *
 * @module
 */

export {};
