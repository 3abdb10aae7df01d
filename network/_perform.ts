import type { Channel, Talk } from "./_channel.ts";
import { exchange, type Reply, type Wire } from "./_exchange.ts";
import { DumpInterruptedError } from "./dump_interrupted_error.ts";
import type { LinkRef } from "./link.ts";
import type { Way } from "./_pace.ts";
import type { Duration, RouteRequest } from "./route_request.ts";

/** How often a list that changes is read anew. */
const ATTEMPTS = 10;

/** Gives the index of a link that a request names. */
export type IndexOf = (link: LinkRef) => number;

/** For requests that name no link. */
export const noIndex: IndexOf = () => 0;

/** Where to wait for what takes so long. */
function wayOf(duration: Duration): Way {
  return duration === "none"
    ? "here"
    : duration === "lock"
    ? "either"
    : "elsewhere";
}

/** What to send for a request. */
export function toWire(
  request: RouteRequest<unknown>,
  indexOf: IndexOf,
): Wire {
  const { operation, type, flags, dump, duration } = request;
  return {
    operation,
    type,
    flags,
    ...(dump && { dump }),
    way: wayOf(duration ?? (dump ? "long" : "lock")),
    body: (writer) => request.body(writer, indexOf),
  };
}

/** Reads the answer to a request. */
export function readReply<T>(request: RouteRequest<T>, reply: Reply): T {
  const { error, messages } = reply;
  if (error === undefined) return request.decode(messages);
  if (request.recover !== undefined) return request.recover(error);
  throw error;
}

/** Sends one request; reads a list anew that changed while it was read. */
export function* perform<T>(
  channel: Channel,
  request: RouteRequest<T>,
  indexOf: IndexOf,
): Talk<T> {
  for (let attempt = 1;; attempt++) {
    const [reply] = yield* exchange(channel, [toWire(request, indexOf)]);
    const { error, interrupted, messages } = reply!;
    if (interrupted && attempt < ATTEMPTS) continue;
    const silent = error === undefined && messages.length === 0;
    if (silent && request.fallback !== undefined) {
      return yield* followUp(channel, request.fallback());
    }
    const answer = readReply(request, reply!);
    if (!interrupted) return answer;
    throw new DumpInterruptedError(request.operation, answer);
  }
}

/** Asks what is to be asked where a request was not answered. */
export function* followUp<T>(
  channel: Channel,
  requests: Generator<RouteRequest<unknown>, T, unknown>,
): Talk<T> {
  let step = requests.next();
  while (!step.done) {
    step = requests.next(yield* perform(channel, step.value, noIndex));
  }
  return step.value;
}
