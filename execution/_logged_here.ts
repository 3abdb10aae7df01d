/** The containers whose output this program logs itself, by the paths of their bundles. */
export const loggedHere: Map<string, { drained(): Promise<void> }> = new Map();
