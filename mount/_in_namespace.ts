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
 * joins it; the thread ends afterwards, or it would keep those mounts alive.
 *
 * @returns The call that failed, or none.
 */
export async function inNamespace(
  namespace: Fd,
  order: Omit<NamespaceOrder, "libc" | "namespace">,
  signal?: AbortSignal,
): Promise<NamespaceAnswer> {
  signal?.throwIfAborted();
  const workerData: NamespaceOrder = {
    ...order,
    libc: libcPath(),
    namespace: namespace.number,
  };
  const worker = new Worker(PROGRAM, { eval: true, workerData });
  const { promise, resolve, reject } = Promise.withResolvers<NamespaceAnswer>();
  worker.once("message", resolve);
  worker.once("error", reject);
  const abort = () => reject(signal!.reason);
  signal?.addEventListener("abort", abort, { once: true });
  try {
    return await promise;
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
