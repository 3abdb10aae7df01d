import { readOffset, type Session, type UploadApi } from "./_upload_api.ts";
import type { RegistryRequest } from "./registry_request.ts";

/** Sends what follows up to `end`, and gives the session as the server has it then. */
export async function patchUpload(
  api: UploadApi,
  session: Session,
  { body, end, range }: {
    body: NonNullable<RegistryRequest["body"]>;
    end: number;
    range: boolean;
  },
): Promise<Session> {
  const answer = await api.request({
    path: session.location,
    server: session.server,
    method: "PATCH",
    once: true,
    headers: {
      "content-type": "application/octet-stream",
      ...(range ? { "content-range": `${session.offset}-${end - 1}` } : {}),
    },
    body,
    expected: [201, 202, 204],
  });
  await answer.response.body?.cancel();
  const offset = readOffset(answer.response.headers) ?? end;
  return await api.keep(answer, { ...session, offset });
}
