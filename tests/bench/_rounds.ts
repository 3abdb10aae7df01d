/** Gives a new folder each time, and leaves those before: rounds would measure the end of those before them. */
export function rounds(root: string): () => string {
  let round = 0;
  return () => {
    return Deno.makeTempDirSync({
      dir: root,
      prefix: `round-${++round}-`,
    });
  };
}
