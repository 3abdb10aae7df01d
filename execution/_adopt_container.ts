import { type Bundle, readExit, readRecord } from "./_bundle.ts";
import { ContainerImpl } from "./_container.ts";
import { tellLost } from "./_events.ts";
import { OutputHub } from "./_output_hub.ts";
import { holdProcess } from "./_process.ts";
import { NO_STREAMS, openLogFifo, type Streams } from "./_stdio.ts";

/**
 * Takes a container over that a monitor held which was killed.
 *
 * @returns The container; `undefined` if it has ended, or no monitor held it.
 */
export function adoptContainer(bundle: Bundle): ContainerImpl | undefined {
  const record = readRecord(bundle);
  if (!record?.monitored || readExit(bundle) !== undefined) return undefined;
  const pidfd = holdProcess(record);
  if (pidfd === undefined) return undefined;
  using undo = new DisposableStack();
  undo.use(pidfd);
  let streams: Streams = NO_STREAMS;
  if (!record.terminal) {
    // What came while nobody looked is still in the FIFOs. A log that cannot be opened now may be later.
    const hub = undo.use(
      new OutputHub(record.log, { onLost: tellLost(bundle), late: true }),
    );
    for (const name of ["stdout", "stderr"] as const) {
      hub.pumpFifo(name, openLogFifo(bundle.path, name));
    }
    streams = { hub, close: () => hub[Symbol.dispose]() };
  }
  const container = new ContainerImpl({
    containerId: bundle.id,
    files: bundle,
    record,
    pidfd,
    streams,
    cgroups: record.cgroups,
    kept: true,
    holder: true,
  });
  undo.move();
  return container;
}
