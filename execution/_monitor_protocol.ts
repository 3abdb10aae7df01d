import type { ContainerStatus } from "./container_process.ts";
import type { LogOptions } from "./log_options.ts";
import type { RuntimeOptions } from "./runtime.ts";
import { RuntimeError, type RuntimeFailure } from "./runtime_error.ts";
import type { ConsoleSize, Spec } from "./spec.ts";
import type { FrameChannel } from "./_frames.ts";
import { SpecError } from "./validate_spec.ts";

/** Makes a container whose input and output the monitor holds. A message after it takes it back, as closing does. */
export interface CreateRequest {
  readonly op: "create";
  readonly id: string;
  readonly spec: Spec;
  readonly runtime: Required<RuntimeOptions>;
  readonly log?: LogOptions;
  /** Whether its standard input is open. */
  readonly stdin: boolean;
  readonly noPivot?: boolean;
  readonly noNewKeyring?: boolean;
}

/** Hands the connection over to the streams of a container, from now on. */
export interface AttachRequest {
  readonly op: "attach";
  readonly id: string;
  /** Which outputs are wanted. */
  readonly outputs: readonly ("stdout" | "stderr")[];
}

/** Is answered when the container has ended and all of its output is logged. */
export interface DrainedRequest {
  readonly op: "drained";
  readonly id: string;
}

/** Starts a created container: the monitor tells its start before its end. */
export interface StartRequest {
  readonly op: "start";
  readonly id: string;
}

/** Sets the size of the terminal; on the connection of an attach. */
export interface ResizeRequest {
  readonly op: "resize";
  readonly size: ConsoleSize;
}

/** What a monitor is asked. */
export type MonitorRequest =
  | CreateRequest
  | AttachRequest
  | DrainedRequest
  | StartRequest;

/** An error as plain data, with what makes its kind. */
interface PlainError {
  readonly name: string;
  readonly message: string;
  readonly failure?: RuntimeFailure;
  readonly field?: string;
}

/** What it answers, and says first of all: who hears that is being served. */
export type MonitorAnswer = {
  readonly ok: true;
  readonly status?: ContainerStatus;
} | {
  readonly ok: false;
  readonly error: PlainError;
};

/** An error as plain data. */
export function errorAnswer(error: unknown): MonitorAnswer {
  if (!(error instanceof Error)) {
    return { ok: false, error: { name: "Error", message: String(error) } };
  }
  const { name, message } = error;
  if (error instanceof SpecError) {
    return { ok: false, error: { name, message, field: error.field } };
  }
  if (!(error instanceof RuntimeError)) {
    return { ok: false, error: { name, message } };
  }
  const { code, runtime, args, exitCode, detail } = error;
  return {
    ok: false,
    error: {
      name,
      message,
      failure: { code, runtime, args, exitCode, detail },
    },
  };
}

/** Kinds of errors that are made of their message alone. */
const KINDS = new Map<string, new (message: string) => Error>(
  Object.entries({ TypeError, RangeError, ...Deno.errors }),
);

/** The error that was made plain data. */
function asError({ name, message, failure, field }: PlainError): Error {
  if (failure !== undefined) {
    const action = message.replace(/^Cannot /, "").replace(
      `: ${failure.detail}`,
      "",
    );
    return new RuntimeError(action, failure);
  }
  if (field !== undefined) {
    return new SpecError(
      field,
      message.slice(message.indexOf(field)).slice(field.length + 1),
    );
  }
  const Kind = KINDS.get(name) ?? Error;
  return Object.assign(new Kind(message), { name });
}

/** Reads an answer; an error is thrown. */
export async function readAnswer(channel: FrameChannel): Promise<void> {
  const answer = await channel.readMessage<MonitorAnswer>();
  if (answer === undefined) {
    throw new Deno.errors.ConnectionReset(
      "Cannot hear from the monitor: it has ended",
    );
  }
  if (!answer.ok) throw asError(answer.error);
}
