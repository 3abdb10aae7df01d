export declare function basename(path: string, suffix?: string): string;
