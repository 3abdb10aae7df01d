import { type Tracer, tracer } from "@containerkit/libc";

/** Publishes what becomes of volumes. */
export const trace: Tracer = tracer("containerkit:volume");
