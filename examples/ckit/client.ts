import { RegistryClient } from "@containerkit/distribution";

/** A client of registries; with `plainHttp` it speaks http with all of them, else only with this machine's. */
export function openClient(options: { plainHttp: boolean }): RegistryClient {
  return new RegistryClient(options.plainHttp ? { plainHttp: true } : {});
}
