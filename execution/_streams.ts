import { Buffer } from "node:buffer";
import { Socket } from "node:net";
import { ReadStream } from "node:tty";
import type { Fd } from "@containerkit/libc";
import { brokenPipe, type BrokenPipeReason } from "./_broken_pipe.ts";

/** A descriptor on Deno's own epoll: no thread waits for it, however many there are. */
export interface Channel {
  /** What comes out of it; it ends when every writer has closed. */
  readonly readable: ReadableStream<Uint8Array<ArrayBuffer>>;
  /** What goes into it; closing it closes the descriptor. */
  readonly writable: WritableStream<Uint8Array<ArrayBufferLike>>;
  /** Closes the descriptor, whatever is in flight. */
  close(): void;
}

type Duplex = Socket | ReadStream;

/** The other end of a terminal is gone, which is how a terminal ends. */
const isHangUp = (error: unknown) =>
  error instanceof Error && (error as { code?: string }).code === "EIO";

function source(stream: Duplex): ReadableStream<Uint8Array<ArrayBuffer>> {
  let open = true;
  return new ReadableStream<Uint8Array<ArrayBuffer>>({
    start(controller) {
      const finish = (end: () => void) => {
        if (open) end();
        open = false;
      };
      // It reads ahead: where nothing came before the end, that is over by now.
      if (stream.readableEnded || stream.destroyed) {
        finish(() => controller.close());
        return;
      }
      stream.pause();
      stream.on("data", (chunk: Buffer) => {
        if (!open) return;
        controller.enqueue(
          new Uint8Array(
            chunk.buffer as ArrayBuffer,
            chunk.byteOffset,
            chunk.length,
          ),
        );
        stream.pause();
      });
      stream.once("end", () => finish(() => controller.close()));
      stream.once("close", () => finish(() => controller.close()));
      stream.on(
        "error",
        (error: Error) =>
          finish(() =>
            isHangUp(error) ? controller.close() : controller.error(error)
          ),
      );
    },
    pull() {
      stream.resume();
    },
    cancel() {
      open = false;
      stream.destroy();
    },
  }, { highWaterMark: 0 });
}

/** How writing ends when nobody reads any more, or the descriptor was closed meanwhile. */
const GONE: Readonly<Record<string, BrokenPipeReason>> = {
  EPIPE: "nobody reads it any more",
  ECONNRESET: "nobody reads it any more",
  EIO: "nobody reads it any more",
  ECANCELED: "it is closed",
};

/** Deno's error, without Node's as its cause: that holds all that was being written for as long as it is kept. */
function toDenoError(error: Error): Error {
  const why = GONE[(error as { code?: string }).code ?? ""];
  return why === undefined ? error : brokenPipe(why);
}

function sink(
  stream: Duplex,
  end: () => Promise<void>,
): WritableStream<Uint8Array<ArrayBufferLike>> {
  return new WritableStream<Uint8Array<ArrayBufferLike>>({
    start(controller) {
      stream.on("error", (error) => controller.error(toDenoError(error)));
    },
    write(chunk) {
      if (stream.destroyed) throw brokenPipe("it is closed");
      const { promise, resolve, reject } = Promise.withResolvers<void>();
      stream.write(
        Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength),
        (error) => error ? reject(toDenoError(error)) : resolve(),
      );
      return promise;
    },
    async close() {
      // What is closed already does not tell it again.
      if (!stream.destroyed) await end();
    },
    abort() {
      stream.destroy();
    },
  });
}

function channel(stream: Duplex, end: () => Promise<void>): Channel {
  // An error that comes after both ends are done has nobody to tell.
  stream.on("error", () => {});
  let readable: Channel["readable"] | undefined;
  let writable: Channel["writable"] | undefined;
  return {
    get readable() {
      return readable ??= source(stream);
    },
    get writable() {
      return writable ??= sink(stream, end);
    },
    close: () => void stream.destroy(),
  };
}

/** Takes over one end of a pipe or FIFO, or a socket. */
export function pipeChannel(
  fd: Fd,
  direction: "read" | "write",
): Channel {
  const socket = new Socket({
    fd: fd.release(),
    readable: direction === "read",
    writable: direction === "write",
  });
  return channel(
    socket,
    () =>
      new Promise((resolve) => {
        socket.once("close", () => resolve());
        socket.end(() => socket.destroy());
      }),
  );
}

/** End of transmission: what Ctrl-D sends. */
const EOT = new Uint8Array([4]);

/** Takes over the master of a pseudo terminal. Closing its input is typing Ctrl-D: the output goes on. */
export function terminalChannel(fd: Fd): Channel {
  const stream = new ReadStream(fd.release());
  return channel(
    stream,
    () =>
      new Promise((resolve) => {
        (stream as unknown as Socket).write(EOT, () => resolve());
      }),
  );
}
