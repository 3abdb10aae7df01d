import type { Endpoint } from "./_endpoint.ts";
import { isUnreachable, mayPass } from "./_retry.ts";

/**
 * Asks the servers of a registry in turn until one has what is asked for. One that fails is waited for at length only
 * when no other is left, and one that cannot be reached is passed over for a while: a mirror that is down costs next
 * to nothing.
 *
 * @param servers In the order they are tried, by their numbers.
 * @param ask Asks one; with patience, as long as that may help.
 */
export async function askInTurn<T>(
  servers: readonly (readonly [index: number, endpoint: Endpoint])[],
  ask: (index: number, options: { isPatient: boolean }) => Promise<T>,
  signal: AbortSignal | undefined,
): Promise<T> {
  const present = servers.filter(([, endpoint]) => !endpoint.isAway);
  const first = present.length === 0 ? servers : present;
  const queue = first.map(([index, endpoint], at) => ({
    index,
    endpoint,
    isPatient: at === first.length - 1,
  }));
  let failure: unknown;
  for (const next of queue) {
    const { index, endpoint, isPatient } = next;
    try {
      return await ask(index, { isPatient });
    } catch (error) {
      signal?.throwIfAborted();
      if (isUnreachable(error)) endpoint.leave();
      if (!isPatient && mayPass(error)) {
        queue.push({ ...next, isPatient: true });
      }
      // What the last one says counts, be it that there is no such thing.
      if (isPatient) failure ??= error;
      if (isPatient && !mayPass(error)) break;
    }
  }
  throw failure;
}
