export declare function assertNotEquals<T>(
  actual: T,
  expected: T,
  msg?: string,
): void;
