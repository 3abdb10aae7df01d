/** A dash in front would be an option of the runtime. */
const ID_REGEXP = /^[A-Za-z0-9_+][A-Za-z0-9_+.-]*$/;
/** A socket path of 107 bytes has to hold the folder, the id and a file name. */
const MAX_LENGTH = 76;

/** Throws unless every runtime takes the id, and it is safe in a path. */
export function checkId(id: string): void {
  if (!ID_REGEXP.test(id) || id.length > MAX_LENGTH) {
    throw new TypeError(
      `Cannot use the id ${
        JSON.stringify(id.slice(0, 100))
      }: expected at most ${MAX_LENGTH} letters, digits and _ + - . with no dot or dash in front`,
    );
  }
}
