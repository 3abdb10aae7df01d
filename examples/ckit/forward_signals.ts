import { type ContainerProcess, RuntimeError } from "@containerkit/execution";
import { Interrupted } from "./command.ts";

const SIGNALS = ["SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT"] as const;

/** Options of {@linkcode forwardSignals}. */
export interface ForwardSignalsOptions {
  /** ckit's own: what came before the process was there is for it too. */
  readonly signal: AbortSignal;
  /**
   * Called from the second signal on: the first process of a container may not heed the first.
   *
   * @default {kills it}
   */
  onInsist?(): void;
}

/**
 * Gives the signals that ckit gets to a process: what it does about them decides
 * the exit code. Disposing ends that.
 */
export function forwardSignals(
  process: ContainerProcess,
  options: ForwardSignalsOptions,
): Disposable {
  const send = (name: Deno.Signal) => {
    try {
      process.kill(name);
    } catch (error) {
      // It has just ended by itself.
      if (!(error instanceof RuntimeError)) throw error;
    }
  };
  const { signal, onInsist = () => send("SIGKILL") } = options;
  let count = 0;
  const forward = (name: Deno.Signal) => {
    if (count++ === 0) send(name);
    else onInsist();
  };
  const listeners = SIGNALS.map((name) => {
    const listener = () => forward(name);
    Deno.addSignalListener(name, listener);
    return [name, listener] as const;
  });
  if (signal.reason instanceof Interrupted) forward(signal.reason.signal);
  return {
    [Symbol.dispose]() {
      for (const [name, listener] of listeners) {
        Deno.removeSignalListener(name, listener);
      }
    },
  };
}
