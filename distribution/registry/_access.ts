import { ApiError } from "./_api_error.ts";
import type { RegistryAccess } from "./registry_access.ts";

type Credentials = Pick<RegistryAccess, "credentials" | "token">;

/** Reads who asks from an `Authorization` header. */
function readAuthorization(header: string | null): Credentials {
  const [, scheme, value] = /^(\S+) +(\S+)$/.exec(header?.trim() ?? "") ?? [];
  if (value === undefined) return {};
  if (scheme?.toLowerCase() === "bearer") return { token: value };
  if (scheme?.toLowerCase() !== "basic") return {};
  let text: string;
  try {
    text = new TextDecoder().decode(Uint8Array.fromBase64(value));
  } catch {
    return {};
  }
  const colon = text.indexOf(":");
  if (colon === -1) return {};
  return {
    credentials: {
      username: text.slice(0, colon),
      password: text.slice(colon + 1),
    },
  };
}

/** Refuses a request that may not do what it wants. */
export async function authorize(
  request: Request,
  access: Omit<RegistryAccess, "credentials" | "token">,
  options: {
    authorize:
      | ((access: RegistryAccess) => boolean | Promise<boolean>)
      | undefined;
    challenge: string;
  },
): Promise<void> {
  if (options.authorize === undefined) return;
  const who = readAuthorization(request.headers.get("authorization"));
  if (await options.authorize({ ...access, ...who })) return;
  throw new ApiError("UNAUTHORIZED", "authentication is required", {
    headers: { "www-authenticate": options.challenge },
  });
}
