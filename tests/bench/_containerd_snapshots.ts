import http2 from "node:http2";
import net from "node:net";

const encoder = new TextEncoder();

/** A varint of protobuf. */
function varint(value: number): number[] {
  const bytes: number[] = [];
  for (; value > 127; value = Math.floor(value / 128)) {
    bytes.push(value % 128 | 128);
  }
  return [...bytes, value];
}

/** A field of text. */
function field(number: number, value: string | Uint8Array): Uint8Array {
  const bytes = typeof value === "string" ? encoder.encode(value) : value;
  return Uint8Array.from([
    ...varint(number << 3 | 2),
    ...varint(bytes.length),
    ...bytes,
  ]);
}

function message(...fields: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const size = fields.reduce((sum, { length }) => sum + length, 0);
  const bytes = new Uint8Array(size);
  let at = 0;
  for (const part of fields) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}

/** Kept by garbage collection. */
const ROOT = field(
  4,
  message(field(1, "containerd.io/gc.root"), field(2, "1")),
);

/** The snapshots of containerd by gRPC over one connection. */
export interface ContainerdSnapshots extends Disposable {
  prepare(key: string, parent: string): Promise<void>;
  commit(name: string, key: string): Promise<void>;
  remove(key: string): Promise<void>;
}

/** Connects to a containerd that runs. */
export function containerdSnapshots(socket: string): ContainerdSnapshots {
  const session = http2.connect("http://localhost", {
    createConnection: () => net.connect(socket),
  });
  const call = (method: string, body: Uint8Array) =>
    new Promise<void>((resolve, reject) => {
      const request = session.request({
        ":method": "POST",
        ":path": `/containerd.services.snapshots.v1.Snapshots/${method}`,
        "content-type": "application/grpc",
        "containerd-namespace": "default",
        te: "trailers",
      });
      let failure: string | undefined;
      const look = (headers: http2.IncomingHttpHeaders) => {
        const status = headers["grpc-status"];
        if (status !== undefined && status !== "0") {
          failure = `${status} ${headers["grpc-message"]}`;
        }
      };
      request.on("response", look);
      request.on("trailers", look);
      request.on("error", reject);
      request.on("data", () => {});
      request.on("end", () => {
        if (failure === undefined) resolve();
        else reject(new Error(`Cannot call ${method}: ${failure}`));
      });
      const frame = new Uint8Array(5 + body.length);
      new DataView(frame.buffer).setUint32(1, body.length);
      frame.set(body, 5);
      request.end(frame);
    });
  const name = field(1, "overlayfs");
  return {
    prepare: (key, parent) =>
      call("Prepare", message(name, field(2, key), field(3, parent), ROOT)),
    commit: (to, key) =>
      call("Commit", message(name, field(2, to), field(3, key), ROOT)),
    remove: (key) => call("Remove", message(name, field(2, key))),
    [Symbol.dispose]: () => session.close(),
  };
}
