// deno-lint-ignore-file no-console
/** One comparison: ours against the peer a user would pick, in turn in the same run. */
export interface Comparison {
  /** What is compared, such as `overlay of 10 layers`. */
  readonly name: string;
  /** Ours, one round; gives its own time in ms if it measures itself. */
  ours(): unknown;
  /** The peer, one round. */
  peer(): unknown;
  /** What each round of either begins with; not measured. */
  before?(): unknown;
  /** The ratio ours / peer that is good enough; `undefined` shows the ratio only. */
  readonly goal?: number;
  /** Rounds, the first of which does not count. */
  readonly rounds?: number;
}

/** A line of the report, and of `--json`. */
export interface Result {
  readonly name: string;
  readonly ours: number;
  readonly peer: number;
  readonly ratio: number;
  readonly goal: number | undefined;
}

/** What a suite gets. */
export interface Bench {
  /** Measures one comparison and prints its line. */
  compare(comparison: Comparison): Promise<void>;
  /** Reports what is no ratio of times, such as memory, against a goal it must not exceed. */
  report(name: string, value: number, goal: number, unit: string): void;
  /** Says why something was not measured. */
  skip(name: string, reason: string): void;
}

function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)]!;
}

async function time(fn: () => unknown): Promise<number> {
  const start = performance.now();
  const own = await fn();
  return typeof own === "number" ? own : performance.now() - start;
}

function line(cells: readonly string[]): void {
  console.log(cells.join("  "));
}

/** A bench that prints as it goes and keeps what it printed. */
export function createBench(results: Result[]): Bench {
  return {
    async compare({ name, ours, peer, before, goal, rounds = 6 }) {
      const a: number[] = [];
      const b: number[] = [];
      for (let round = 0; round < rounds; round++) {
        await before?.();
        const mine = await time(ours);
        await before?.();
        const theirs = await time(peer);
        if (round === 0 && rounds > 1) continue;
        a.push(mine);
        b.push(theirs);
      }
      const result: Result = {
        name,
        ours: median(a),
        peer: median(b),
        ratio: median(a) / median(b),
        goal,
      };
      results.push(result);
      line([
        name,
        `${result.ours.toFixed(3)} ms`,
        `${result.peer.toFixed(3)} ms`,
        result.ratio.toFixed(3),
        ...(goal === undefined
          ? []
          : [String(goal), result.ratio <= goal ? "ok" : "short"]),
      ]);
    },
    report(name, value, goal, unit) {
      results.push({
        name,
        ours: value,
        peer: goal,
        ratio: value / goal,
        goal,
      });
      line([
        name,
        `${value.toFixed(3)} ${unit}`,
        "-",
        (value / goal).toFixed(3),
        `${goal} ${unit}`,
        value <= goal ? "ok" : "short",
      ]);
    },
    skip(name, reason) {
      line([name, "not measured:", reason]);
    },
  };
}
