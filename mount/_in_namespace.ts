import { type Fd, libcPath, openAt, SyscallError } from "@containerkit/libc";
import { Worker } from "node:worker_threads";
import {
  type NamespaceAnswer,
  type NamespaceOrder,
  namespaceThread,
} from "./_namespace_thread.ts";

const PROGRAM = `
  const { parentPort, workerData } = require("node:worker_threads");
  parentPort.postMessage((${namespaceThread})(workerData));
`;

/**
 * Attaches or unmounts in another mount namespace. That takes a thread which
 * joins it; the thread ends afterwards, or it would keep those mounts alive. It
 * has come to its end when this does, also after an abort: it works by the
 * numbers of descriptors, which may be those of others soon.
 *
 * @returns The call that failed, or none.
 */
export async function inNamespace(
  namespace: Fd,
  order: Omit<NamespaceOrder, "libc" | "namespace" | "stop">,
  signal?: AbortSignal,
): Promise<NamespaceAnswer> {
  signal?.throwIfAborted();
  const stop = new Int32Array(new SharedArrayBuffer(4));
  const workerData: NamespaceOrder = {
    ...order,
    libc: libcPath(),
    namespace: namespace.number,
    stop,
  };
  const worker = new Worker(PROGRAM, { eval: true, workerData });
  const { promise, resolve, reject } = Promise.withResolvers<NamespaceAnswer>();
  worker.once("message", resolve);
  worker.once("error", reject);
  const abort = () => {
    Atomics.store(stop, 0, 1);
    Atomics.notify(stop, 0);
  };
  signal?.addEventListener("abort", abort, { once: true });
  try {
    const answer = await promise;
    if (answer.isStopped) signal?.throwIfAborted();
    return answer;
  } finally {
    signal?.removeEventListener("abort", abort);
    await worker.terminate();
  }
}

/**
 * Opens the mount namespace of a process.
 *
 * @throws {Deno.errors.NotFound} If there is no such process.
 */
export function openMountNamespace(pid: number, action: string): Fd {
  try {
    return openAt(undefined, `/proc/${pid}/ns/mnt`);
  } catch (error) {
    if (!(error instanceof SyscallError && error.code === "ENOENT")) {
      throw error;
    }
    throw new Deno.errors.NotFound(
      `Cannot ${action}: there is no such process`,
      { cause: error },
    );
  }
}
