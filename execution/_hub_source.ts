import type { LogStream } from "./_log_formats.ts";
import type { OutputHub } from "./_output_hub.ts";

/**
 * A stream of what comes through a hub from now on. The container waits while
 * it is not read and 64 KiB wait for that, as with a pipe.
 */
export function hubSource(
  hub: OutputHub,
  name: LogStream,
): {
  readonly readable: ReadableStream<Uint8Array<ArrayBuffer>>;
  close(): void;
} {
  let leave: () => void = () => {};
  let wanted: () => void = () => {};
  let close: () => void = () => {};
  let open = true;
  const readable = new ReadableStream<Uint8Array<ArrayBuffer>>({
    start(controller) {
      close = () => {
        leave();
        wanted();
        if (open) controller.close();
        open = false;
      };
      leave = hub.subscribe({
        async write(stream, chunk) {
          if (stream !== name || !open) return;
          controller.enqueue(chunk);
          if ((controller.desiredSize ?? 1) <= 0) {
            await new Promise<void>((resolve) => wanted = resolve);
          }
        },
        end(stream) {
          if (stream === name) close();
        },
      });
    },
    pull() {
      wanted();
    },
    cancel() {
      open = false;
      leave();
      wanted();
    },
  }, new ByteLengthQueuingStrategy({ highWaterMark: 65536 }));
  return { readable, close: () => close() };
}
