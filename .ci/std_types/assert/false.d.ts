export declare function assertFalse(
  expr: unknown,
  msg?: string,
): asserts expr is false;
