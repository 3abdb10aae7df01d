import { brokenPipe, type BrokenPipeReason } from "./_broken_pipe.ts";
import { Frame, type FrameChannel } from "./_frames.ts";
import type { AttachRequest } from "./_monitor_protocol.ts";
import type { OutputEnd, StdinEnd, Streams } from "./_stdio.ts";

/** A frame has a limit, and what one chunk holds has none. */
const PIECE = 1 << 20;

/** Which streams are wanted. */
export interface WantedStreams {
  readonly stdin: boolean;
  readonly outputs: AttachRequest["outputs"];
  readonly terminal: boolean;
}

/** The streams of a container over a connection to the monitor that holds it. */
export function channelStreams(
  channel: FrameChannel,
  wanted: WantedStreams,
): Streams {
  const outputs = new Map(
    wanted.outputs.map((name) => [name, outputEnd(() => wake())]),
  );
  const stdin = stdinEnd(channel);
  let wake: () => void = () => {};
  const pump = async () => {
    try {
      for (;;) {
        const frame = await channel.read();
        if (frame === undefined) break;
        if (frame.kind === Frame.STDIN_END) {
          stdin.end();
          continue;
        }
        const name =
          frame.kind === Frame.STDOUT || frame.kind === Frame.STDOUT_END
            ? "stdout"
            : "stderr";
        const output = outputs.get(name);
        if (frame.kind === Frame.STDOUT || frame.kind === Frame.STDERR) {
          // Not reading on is how the container is made to wait.
          while (output !== undefined && !output.give(frame.payload)) {
            await new Promise<void>((resolve) => wake = resolve);
          }
        } else output?.close();
      }
    } finally {
      stdin.end();
      for (const output of outputs.values()) output.close();
    }
  };
  pump().catch(() => {});
  return {
    ...wanted.stdin ? { stdin } : {},
    ...Object.fromEntries(outputs),
    ...wanted.terminal
      ? {
        resize: (size) =>
          void channel.writeMessage({ op: "resize", size }).catch(() => {}),
      }
      : {},
    close() {
      stdin.close();
      channel[Symbol.dispose]();
      for (const output of outputs.values()) output.close();
      wake();
    },
  };
}

/** The input; `end` says that nobody reads it any more. */
function stdinEnd(channel: FrameChannel): StdinEnd & { end(): void } {
  let why: BrokenPipeReason | undefined;
  // What has ended already does not tell it again.
  const finish = () => channel.write(Frame.STDIN_END).catch(() => {});
  return {
    writable: new WritableStream<Uint8Array>({
      async write(chunk) {
        if (why !== undefined) throw brokenPipe(why);
        try {
          for (let at = 0; at < chunk.length; at += PIECE) {
            await channel.write(Frame.STDIN, chunk.subarray(at, at + PIECE));
          }
        } catch {
          throw brokenPipe(why ?? "nobody reads it any more");
        }
      },
      close: finish,
      abort: finish,
    }),
    end: () => void (why ??= "nobody reads it any more"),
    close: () => void (why ??= "it is closed"),
  };
}

/** One output; `give` says whether there was room. */
function outputEnd(
  pulled: () => void,
): OutputEnd & { give(chunk: Uint8Array<ArrayBuffer>): boolean } {
  let controller!: ReadableStreamDefaultController<Uint8Array<ArrayBuffer>>;
  let open = true;
  const readable = new ReadableStream<Uint8Array<ArrayBuffer>>({
    start: (given) => void (controller = given),
    pull: pulled,
    cancel() {
      open = false;
      pulled();
    },
  }, new ByteLengthQueuingStrategy({ highWaterMark: 65536 }));
  return {
    readable,
    give(chunk) {
      if (!open) return true;
      if ((controller.desiredSize ?? 0) <= 0) return false;
      controller.enqueue(chunk);
      return true;
    },
    close() {
      if (open) controller.close();
      open = false;
    },
  };
}
