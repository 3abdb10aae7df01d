/**
 * Containers run by an OCI runtime: processes, stdio, exit codes, cgroups.
 *
 * @module
 */

export {};
