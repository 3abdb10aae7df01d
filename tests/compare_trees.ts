import { runProgram } from "./run_program.ts";

/**
 * Describes every file below a folder, one line each: type, mode, owner, size or device, modification time, link count,
 * link target, xattrs and the hash of the content.
 */
export async function describeTree(folder: string): Promise<string[]> {
  // The size of a directory and its link count are the filesystem's own.
  const facts = await runProgram("find", [
    ".",
    "-type",
    "d",
    "-printf",
    "%P d %m %U:%G %T@\\n",
    "-o",
    "-printf",
    "%P %y %m %U:%G %s %T@ %n %l\\n",
  ], { cwd: folder });
  const sums = await runProgram("find", [
    ".",
    "-type",
    "f",
    "-exec",
    "sha256sum",
    "{}",
    "+",
  ], { cwd: folder });
  const xattrs = await runProgram("getfattr", [
    "-R",
    "-h",
    "-d",
    "-m",
    "^(user|security|system)\\.",
    "-e",
    "hex",
    ".",
  ], { cwd: folder });
  const perFile = xattrs.split("\n\n").map((block) =>
    block.trim().split("\n").join(" ")
  );
  return [...facts.split("\n"), ...sums.split("\n"), ...perFile]
    .filter((line) => line !== "").sort();
}
