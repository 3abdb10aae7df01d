import type { RegistryRequest } from "./registry_request.ts";

/** Whether a request changes nothing. */
export function isRead({ method = "GET" }: RegistryRequest): boolean {
  return method === "GET" || method === "HEAD";
}
