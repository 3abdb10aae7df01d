import { NetworkError } from "../network_error.ts";
import { ProtocolError } from "../protocol_error.ts";
import { RegistryError } from "../registry_error.ts";
import { ApiError } from "./_api_error.ts";
import { isFull } from "./_is_full.ts";

/** What is wrong with the registry behind this one, if it is that. */
function troubleBehind(error: unknown): string | undefined {
  if (error instanceof RegistryError) return `gave ${error.status}`;
  if (error instanceof ProtocolError) return "answered what it must not";
  const isMute = error instanceof NetworkError ||
    error instanceof Deno.errors.TimedOut;
  return isMute ? "cannot be reached" : undefined;
}

/**
 * What a client is told of a fault that is not its own: no more than whether to come again, or whom to ask. That the one
 * behind wants to be left alone is no `Retry-After` of this one: it has other content to give.
 */
export function toApiError(error: unknown): ApiError {
  if (isFull(error)) {
    const why = "the registry has no room left";
    return new ApiError("UNKNOWN", why, { status: 507 });
  }
  const trouble = troubleBehind(error);
  return trouble === undefined
    ? new ApiError("UNKNOWN", "the registry failed")
    : new ApiError("UNKNOWN", `the registry behind this one ${trouble}`, {
      status: 502,
    });
}
