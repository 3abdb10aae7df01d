/** Images made of layers, for peers that unpack them. */
const architecture = Deno.build.arch === "aarch64" ? "arm64" : "amd64";

/** A compressed layer in a file. */
export interface StoredLayer {
  readonly path: string;
  readonly digest: string;
  readonly size: number;
  readonly diffId: string;
}

/** An OCI image layout of the layers, with the tag `t`. */
export async function makeLayout(
  temp: string,
  layers: readonly StoredLayer[],
): Promise<string> {
  const layout = `${temp}/layout`;
  Deno.mkdirSync(`${layout}/blobs/sha256`, { recursive: true });
  const put = async (value: unknown) => {
    const bytes = new TextEncoder().encode(JSON.stringify(value));
    const hex = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes))
      .toHex();
    await Deno.writeFile(`${layout}/blobs/sha256/${hex}`, bytes);
    return { digest: `sha256:${hex}`, size: bytes.length };
  };
  for (const { path, digest } of layers) {
    await Deno.copyFile(path, `${layout}/blobs/sha256/${digest.slice(7)}`);
  }
  const type = "application/vnd.oci.image";
  const config = await put({
    architecture,
    os: "linux",
    config: {},
    rootfs: { type: "layers", diff_ids: layers.map(({ diffId }) => diffId) },
  });
  const manifest = await put({
    schemaVersion: 2,
    mediaType: `${type}.manifest.v1+json`,
    config: { mediaType: `${type}.config.v1+json`, ...config },
    layers: layers.map(({ digest, size }) => ({
      mediaType: `${type}.layer.v1.tar+gzip`,
      digest,
      size,
    })),
  });
  await Deno.writeTextFile(
    `${layout}/oci-layout`,
    '{"imageLayoutVersion":"1.0.0"}',
  );
  await Deno.writeTextFile(
    `${layout}/index.json`,
    JSON.stringify({
      schemaVersion: 2,
      manifests: [{
        mediaType: `${type}.manifest.v1+json`,
        ...manifest,
        annotations: { "org.opencontainers.image.ref.name": "t" },
      }],
    }),
  );
  return layout;
}

/** What peers keep too: they differ in the times of directories and in attributes other than capabilities. */
export function kept(lines: readonly string[]): string[] {
  return lines.filter((line) => !line.startsWith(" d ") && line !== "").map((
    line,
  ) =>
    line.startsWith("# file:")
      ? line.replace(/ user\.\S+/g, "")
      : line.replace(/( d .*) \S+$/, "$1")
  ).filter((line) => !/^# file: \S+$/.test(line));
}
