export declare function dirname(path: string): string;
