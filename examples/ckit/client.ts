import {
  credentialFiles,
  credentialPaths,
  type CredentialStore,
  hostsDirectory,
  RegistryClient,
} from "@containerkit/distribution";

/** Where containerd and Docker look for mirrors and certificates. */
const HOSTS = ["/etc/containerd/certs.d", "/etc/docker/certs.d"];

/** Where `login` keeps credentials: where Docker and Podman do. What CI has in the environment is asked first. */
export function openCredentials(): CredentialStore {
  const environment = Deno.env.toObject();
  return credentialFiles(credentialPaths(environment, { uid: Deno.uid() }), {
    config: environment.DOCKER_AUTH_CONFIG,
  });
}

/** How registries are reached: as this machine's files say, or with `plainHttp` by http, all of them. */
export function openHosts(
  { plainHttp }: { plainHttp: boolean },
): { plainHttp: true } | { hosts: ReturnType<typeof hostsDirectory> } {
  return plainHttp ? { plainHttp } : { hosts: hostsDirectory(HOSTS) };
}

/**
 * A client of registries, with the credentials and the mirrors of this machine; with `plainHttp` it speaks http with
 * all of them, else only with this machine's.
 */
export function openClient(options: { plainHttp: boolean }): RegistryClient {
  return new RegistryClient({
    credentials: openCredentials().get,
    ...openHosts(options),
    onNotice: ({ host, text }) =>
      void Deno.stderr.writeSync(
        new TextEncoder().encode(`ckit: ${host}: ${text}\n`),
      ),
  });
}
