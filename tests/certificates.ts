import { runProgram } from "./run_program.ts";

/** Files of a certificate authority, a server on loopback and a client, as PEM. */
export interface Certificates {
  readonly ca: string;
  readonly serverCert: string;
  readonly serverKey: string;
  readonly clientCert: string;
  readonly clientKey: string;
}

/** Makes certificates with openssl, in a folder. */
export async function makeCertificates(folder: string): Promise<Certificates> {
  const openssl = (...args: string[]) =>
    runProgram("openssl", args, { cwd: folder });
  const ca = `${folder}/ca.crt`;
  const request = ["req", "-newkey", "rsa:2048", "-nodes", "-subj"];
  await openssl(
    ...request,
    "/CN=tests",
    "-x509",
    "-days",
    "2",
    "-keyout",
    "ca.key",
    "-out",
    "ca.crt",
    "-addext",
    "basicConstraints=critical,CA:TRUE",
  );
  const issue = async (name: string, usage: string) => {
    await Deno.writeTextFile(
      `${folder}/${name}.ext`,
      `subjectAltName=DNS:localhost,IP:127.0.0.1\nextendedKeyUsage=${usage}\n`,
    );
    await openssl(
      ...request,
      `/CN=${name}`,
      "-keyout",
      `${name}.key`,
      "-out",
      `${name}.csr`,
    );
    await openssl(
      ..."x509 -req -days 2 -CA ca.crt -CAkey ca.key -CAcreateserial".split(
        " ",
      ),
      "-in",
      `${name}.csr`,
      "-out",
      `${name}.crt`,
      "-extfile",
      `${name}.ext`,
    );
  };
  await issue("server", "serverAuth");
  await issue("client", "clientAuth");
  return {
    ca,
    serverCert: `${folder}/server.crt`,
    serverKey: `${folder}/server.key`,
    clientCert: `${folder}/client.crt`,
    clientKey: `${folder}/client.key`,
  };
}
