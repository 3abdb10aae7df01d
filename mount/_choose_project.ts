/** What is below is left to the machine's administrator, and to those who count up. */
const FIRST = 0x4c000000;
const COUNT = 2 ** 30;

/** Chooses a project at random until it is one that nobody uses. */
export function chooseProject(isUsed: (project: number) => boolean): number {
  for (;;) {
    const [random] = crypto.getRandomValues(new Uint32Array(1));
    const project = FIRST + random! % COUNT;
    if (!isUsed(project)) return project;
  }
}
