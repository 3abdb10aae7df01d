import { mayPass } from "./_retry.ts";
import { RegistryError } from "./registry_error.ts";

/** Whether the server knows an upload no longer, as when it was started anew. */
export function isLost(error: unknown): boolean {
  return error instanceof RegistryError && error.status === 404;
}

/** Whether an upload may go on after all, from where the server says. */
export function isRecoverable(error: unknown): boolean {
  return mayPass(error) ||
    error instanceof RegistryError && error.status === 416;
}

/** Whether it is a proxy that takes no chunks so long; a registry that says why means the blob. */
export function isTooLong(error: unknown): boolean {
  return error instanceof RegistryError && error.status === 413 &&
    error.codes.length === 0;
}
