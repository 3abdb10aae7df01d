import { channel } from "node:diagnostics_channel";
import type { LibraryCall } from "./library_call.ts";
import { readErrno, restoreErrno } from "./_errno_word.ts";

const calls = channel("containerkit:libc");

/** Whether somebody listens: a property read, nothing else, when nobody does. */
export function tracesCalls(): boolean {
  return calls.hasSubscribers;
}

type Call = (...args: unknown[]) => unknown;

/** The same functions, each of which tells the channel what it did and leaves `errno` as the call left it. */
export function traceLibrary<S extends Deno.ForeignLibraryInterface>(
  table: S,
  symbols: Deno.StaticForeignLibraryInterface<S>,
): Deno.StaticForeignLibraryInterface<S> {
  const traced: Record<string, unknown> = {};
  for (const [name, declaration] of Object.entries(table)) {
    const call = (symbols as Record<string, unknown>)[name] as Call;
    const isPlain = !("type" in declaration) && !declaration.nonblocking;
    traced[name] = isPlain ? wrap(name, call) : call;
  }
  return traced as Deno.StaticForeignLibraryInterface<S>;
}

function wrap(name: string, call: Call): Call {
  return (...args) => {
    const start = performance.now();
    const result = call(...args);
    const code = readErrno();
    const failed = result === -1 || result === -1n;
    calls.publish(
      {
        name,
        args,
        result,
        errno: failed ? code : 0,
        ms: performance.now() - start,
      } satisfies LibraryCall,
    );
    restoreErrno(code);
    return result;
  };
}
