import { DigestMismatchError } from "@containerkit/oci";
import type { Target } from "./_target.ts";

/**
 * Fetches something, from the next host where one gave wrong bytes, and once more from the first: a part of an earlier
 * attempt may be what is wrong.
 *
 * @param fetch Passes over so many hosts.
 */
export async function fromNextHost<T>(
  { client, registry }: Target,
  fetch: (skip: number) => Promise<T>,
): Promise<T> {
  const hosts = await client.countHosts(registry, "pull");
  for (let skip = 0;; skip++) {
    try {
      return await fetch(skip);
    } catch (error) {
      const isWrong = error instanceof Error &&
        error.name === DigestMismatchError.name;
      if (!isWrong || skip >= hosts) throw error;
    }
  }
}
