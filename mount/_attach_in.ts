import { type Fd, libcPath, SyscallError } from "@containerkit/libc";
import { Worker } from "node:worker_threads";
import {
  type AttachAnswer,
  type AttachOrder,
  attachThread,
} from "./_attach_thread.ts";
import { explain } from "./_explain.ts";

const PROGRAM = `
  const { parentPort, workerData } = require("node:worker_threads");
  parentPort.postMessage((${attachThread})(workerData));
`;

/**
 * Attaches a mount in another mount namespace. That takes a thread which joins
 * it; the thread ends afterwards, or it would keep those mounts alive.
 */
export async function attachIn(
  { namespace, tree, target, place, propagation }: {
    namespace: Fd;
    tree: Fd;
    target: string;
    place: string;
    propagation: { flag: number; recursive: boolean } | undefined;
  },
): Promise<void> {
  const order: AttachOrder = {
    libc: libcPath(),
    namespace: namespace.number,
    tree: tree.number,
    target,
    propagation: propagation?.flag ?? 0,
    recursive: propagation?.recursive ?? false,
  };
  const worker = new Worker(PROGRAM, { eval: true, workerData: order });
  const { promise, resolve, reject } = Promise.withResolvers<AttachAnswer>();
  worker.once("message", resolve);
  worker.once("error", reject);
  try {
    const answer = await promise;
    if (answer.syscall === undefined) return;
    throw new SyscallError(`attach the mount to "${target}" in ${place}`, {
      syscall: answer.syscall,
      errno: answer.errno,
      target,
      detail: explain(answer.errno, { call: answer.syscall }),
    });
  } finally {
    await worker.terminate();
  }
}
