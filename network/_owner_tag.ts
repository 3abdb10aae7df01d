/** What marks links as ours, in their alias. */
const PREFIX = "containerkit:";
const BRIDGE_TAG = `${PREFIX}bridge`;
const KEY_PREFIX = `${PREFIX}key:`;
const KEY_REGEXP = /^[A-Za-z0-9][A-Za-z0-9_.@-]{0,99}$/;

/** The alias of a bridge that goes with its last port. */
export const bridgeTag: string = BRIDGE_TAG;

/** The alias of the host's end of an attachment. */
export function keyTag(key: string): string {
  if (!KEY_REGEXP.test(key)) {
    throw new TypeError(
      `Cannot attach with the key ${
        JSON.stringify(key)
      }: expected up to 100 letters, digits and "_.@-", not starting with one of these signs`,
    );
  }
  return `${KEY_PREFIX}${key}`;
}

/** The key in an alias, if it is one of ours. */
export function keyOf(alias: string | undefined): string | undefined {
  return alias?.startsWith(KEY_PREFIX)
    ? alias.slice(KEY_PREFIX.length)
    : undefined;
}
