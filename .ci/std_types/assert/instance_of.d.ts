// deno-lint-ignore-file no-explicit-any
export declare function assertInstanceOf<
  C extends abstract new (...args: any[]) => any,
>(
  actual: unknown,
  expectedType: C,
  msg?: string,
): asserts actual is InstanceType<C>;
