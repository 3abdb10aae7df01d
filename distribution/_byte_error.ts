/** A transfer that broke off or went wrong, and may go right from here on. */
export class ByteError extends TypeError {}
