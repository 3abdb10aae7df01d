import { type Tracer, tracer } from "@containerkit/libc";

/** Publishes what the runtime and the kernel are asked. */
export const trace: Tracer = tracer("containerkit:execution");
