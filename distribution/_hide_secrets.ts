/** A URL for errors: without user and password, query and fragment, which are for its server only. */
export function showUrl({ protocol, host, pathname }: URL): string {
  return `${protocol}//${host}${pathname}`.slice(0, 200);
}

/** A text for errors, whose URLs are cut in the same way. */
export function hideSecrets(text: string): string {
  return text.replaceAll(
    /(\/\/|\\\\)(?:[^\s/\\?#]*@)?([^\s?#]*)(?:[?#]\S*)?/g,
    "$1$2",
  );
}
