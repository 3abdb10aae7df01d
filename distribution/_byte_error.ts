/** A transfer that broke off or stands still, and may go right from here on. */
export class ByteError extends Error {}

/** A part of a transfer that is not what was asked for; another attempt, or another server, may give it. */
export class WrongPartError extends ByteError {}
