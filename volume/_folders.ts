/** The folder that holds the data of kinds that keep it as files and need one beside. */
export function rootOf(folder: string): string {
  return `${folder}/data`;
}

/** The file that holds the data of an image. */
export function imageOf(folder: string): string {
  return `${folder}/image`;
}
