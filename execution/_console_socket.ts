import {
  accept,
  type Fd,
  listenUnix,
  openAt,
  OpenFlag,
  receiveMessage,
  waitReadable,
} from "@containerkit/libc";

/** Where a runtime hands over the master of a terminal. */
export interface ConsoleSocket extends Disposable {
  /** What the runtime is told; short, wherever the folder is. */
  readonly path: string;
  /** Waits for the descriptor. */
  receive(options?: { readonly signal?: AbortSignal }): Promise<Fd>;
}

async function receiveTerminal(
  connection: Fd,
  options: { readonly signal?: AbortSignal },
): Promise<Fd> {
  for (;;) {
    const message = receiveMessage(connection, { maxFds: 1 });
    if (message === undefined) {
      await waitReadable(connection, options);
      continue;
    }
    const [terminal] = message.fds;
    if (terminal !== undefined) return terminal;
    throw new Deno.errors.InvalidData(
      "Cannot receive a terminal: the runtime sent no descriptor",
    );
  }
}

/**
 * Listens in a folder. The runtime is told a path by our descriptor of the
 * folder: the address of a socket has room for 107 bytes, ours may be longer.
 */
export function listenConsole(folder: string): ConsoleSocket {
  const name = "console.sock";
  using stack = new DisposableStack();
  const directory = stack.use(
    openAt(undefined, folder, OpenFlag.DIRECTORY | OpenFlag.PATH),
  );
  const listener = stack.use(listenUnix(`${folder}/${name}`));
  stack.defer(() => Deno.removeSync(`${folder}/${name}`));
  const owned = stack.move();
  return {
    path: `/proc/${Deno.pid}/fd/${directory.number}/${name}`,
    async receive(options = {}) {
      for (;;) {
        await waitReadable(listener, options);
        using connection = accept(listener);
        if (connection !== undefined) {
          return await receiveTerminal(connection, options);
        }
      }
    },
    [Symbol.dispose]: () => owned.dispose(),
  };
}
