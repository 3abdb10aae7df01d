import { freePort } from "./free_port.ts";
import { program } from "./need.ts";

/** Debian's docker-registry, running on loopback. */
export interface DockerRegistry extends AsyncDisposable {
  /** Its host as references name it, such as `127.0.0.1:40001`. */
  readonly host: string;
}

/** Options of {@linkcode startDockerRegistry}. */
export interface DockerRegistryOptions {
  /** Where it keeps what is pushed. */
  folder: string;
  /** Parts of its configuration besides storage and address, as its YAML has them. */
  config?: Readonly<Record<string, unknown>>;
  /** The scheme it answers by. */
  scheme?: "http" | "https";
  /** The certificate to trust, as PEM, when the scheme is `https`. */
  ca?: string;
  /** The certificate to show it and its key, as PEM, when it wants one. */
  client?: { cert: string; key: string };
  /** The program; the newer peer, or by default the system's. */
  command?: string;
}

/** Starts the registry and waits until it answers. Needs `need("docker-registry")`. */
export async function startDockerRegistry(
  options: DockerRegistryOptions,
): Promise<DockerRegistry> {
  const { folder, config = {}, scheme = "http", ca } = options;
  const host = `127.0.0.1:${freePort()}`;
  await Deno.mkdir(`${folder}/data`, { recursive: true });
  const { http = {}, ...rest } = config as { http?: object };
  const file = `${folder}/config.yml`;
  // JSON is YAML.
  await Deno.writeTextFile(
    file,
    JSON.stringify({
      version: "0.1",
      log: { level: "error", accesslog: { disabled: true } },
      storage: {
        filesystem: { rootdirectory: `${folder}/data` },
        delete: { enabled: true },
      },
      http: { addr: host, secret: "tests", ...http },
      ...rest,
    }),
  );
  const child = new Deno.Command(
    options.command ?? program("docker-registry")!,
    {
      args: ["serve", file],
      stdin: "null",
      stdout: "null",
      stderr: "null",
      env: { OTEL_TRACES_EXPORTER: "none" },
    },
  ).spawn();
  let running = true;
  const stop = async () => {
    if (!running) return;
    running = false;
    child.kill("SIGKILL");
    await child.status;
  };
  using client = Deno.createHttpClient({
    ...(ca === undefined ? {} : { caCerts: [ca] }),
    ...options.client,
  });
  for (let attempt = 0; attempt < 500; attempt++) {
    try {
      const response = await fetch(`${scheme}://${host}/v2/`, { client });
      await response.body?.cancel();
      return { host, [Symbol.asyncDispose]: stop };
    } catch {
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }
  await stop();
  throw new Error("Cannot start docker-registry: it does not answer");
}
