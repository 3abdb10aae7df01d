export declare function unreachable(msg?: string): never;
