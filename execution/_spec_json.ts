/** What a number makes of the largest of 64 bits, by which the kernel says that there is no limit. */
export const NO_LIMIT: number = 2 ** 64;

/** TypeScript does not know it yet, see https://tc39.es/proposal-json-parse-with-source/. */
const { rawJSON } = JSON as unknown as { rawJSON(text: string): unknown };

/** A spec, or a part of one, as a runtime reads it: it takes no number of more than 64 bits. */
export function specJson(value: unknown): string {
  return JSON.stringify(
    value,
    (_key, value) =>
      value === NO_LIMIT ? rawJSON("18446744073709551615") : value,
  );
}
