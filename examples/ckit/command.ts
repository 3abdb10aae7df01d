import { describeError } from "./describe_error.ts";

/** What every command gets besides its own arguments. */
export interface Context {
  /** The persistent root, by default `/var/lib/containerkit`. */
  readonly root: string;
  /** State of this boot, by default a folder of `/run/containerkit` named after the root. */
  readonly state: string;
  /** Aborted with {@linkcode Interrupted} by what asks a program to end. */
  readonly signal: AbortSignal;
  /** Prints a line to the standard output. */
  print(line: string): void;
  /** Prints a line to the standard error. */
  warn(line: string): void;
}

/** A command that was not called as its usage says; ckit exits with 2 then, or 125 if it was to run a program. */
export class UsageError extends Error {
  override readonly name = "UsageError";
}

/** Why {@linkcode Context.signal} is aborted. */
export class Interrupted extends Error {
  override readonly name = "Interrupted";

  /** @param signal What ckit was sent. */
  constructor(readonly signal: "SIGINT" | "SIGTERM") {
    super(`ckit got ${signal}`);
  }
}

/**
 * Does something with each word, also after it failed with another.
 *
 * @returns The exit code: 1 if it failed with some.
 */
export async function withEach(
  words: readonly string[],
  { signal, warn }: Pick<Context, "signal" | "warn">,
  fn: (word: string) => Promise<void>,
): Promise<number> {
  let code = 0;
  for (const word of words) {
    try {
      await fn(word);
    } catch (error) {
      if (signal.aborted || error instanceof Deno.errors.BrokenPipe) {
        throw error;
      }
      warn(`ckit: ${describeError(error)}`);
      code = 1;
    }
  }
  return code;
}

/**
 * Refuses to go on without root.
 *
 * @param action What needs it, as in `run a container`.
 */
export function requireRoot(action: string): void {
  if (Deno.uid() === 0) return;
  throw new Deno.errors.PermissionDenied(
    `Cannot ${action}: it needs root, as mounts and namespaces do`,
  );
}

/** The flags of a command. */
export interface Flags {
  /** Flags without a value. */
  readonly booleans?: readonly string[];
  /** Flags with a value. */
  readonly strings?: readonly string[];
  /** Flags with a value that may be given more than once. */
  readonly lists?: readonly string[];
  /** Short forms, such as `{ p: "publish" }`. */
  readonly alias?: Readonly<Record<string, string>>;
  /** Whether nothing is a flag from the first word on that is none: it runs a program, which has its own. */
  readonly stopEarly?: boolean;
}

/** One command, or one of a group such as `content ls`. */
export interface Command extends Flags {
  /** The words that choose it, such as `pull` or `content ls`. */
  readonly name: string;
  /** The arguments, as usage shows them. */
  readonly usage: string;
  /** One line of help. */
  readonly summary: string;
  /**
   * How many words it takes at most.
   *
   * @default {any number}
   */
  readonly most?: number;
  /**
   * Does it.
   *
   * @returns The exit code; nothing is 0.
   */
  run(args: Arguments, context: Context): Promise<number | void>;
}

/** The parsed arguments of a command. */
export interface Arguments {
  /** What is not a flag. */
  readonly words: readonly string[];
  /** Whether a flag without a value was given. */
  flag(name: string): boolean;
  /** The value of a flag. */
  string(name: string): string | undefined;
  /** The values of a flag that may be given more than once. */
  list(name: string): readonly string[];
}
