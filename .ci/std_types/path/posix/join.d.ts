export declare function join(...paths: string[]): string;
