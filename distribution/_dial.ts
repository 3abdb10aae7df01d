/** How long it may take to reach a server, where that has a limit of its own. */
export interface Dial {
  /** In milliseconds. */
  readonly timeout: number;
  /** Reaches it: by a connection that is closed at once, as `fetch()` does not tell when its own stands. */
  readonly connect: (signal: AbortSignal) => Promise<void>;
}

/** Opens a connection to the server of a URL, and closes it. */
export async function touch(
  { hostname, port, protocol }: URL,
  signal: AbortSignal,
): Promise<void> {
  const connection = await Deno.connect({
    hostname: hostname.replace(/^\[|\]$/g, ""),
    port: Number(port || (protocol === "https:" ? 443 : 80)),
    signal,
  });
  connection.close();
}
