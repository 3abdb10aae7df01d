import type { Endpoint } from "./_endpoint.ts";
import { isRead } from "./_is_read.ts";
import { sendRedirected } from "./_send_redirected.ts";
import { unlessAborted } from "./_unless_aborted.ts";
import type { WarningReader } from "./_warnings.ts";
import type { RegistryAnswer, RegistryRequest } from "./registry_request.ts";

const MAX_CHALLENGES = 3;

/** Sends with credentials, when the server wants some. */
export async function sendAuthorized(
  endpoint: Endpoint,
  index: number,
  { request, userAgent, warnings }: {
    request: RegistryRequest;
    userAgent: string | undefined;
    warnings: WarningReader;
  },
): Promise<RegistryAnswer> {
  const { scopes = [], repository, signal } = request;
  const context = {
    offline: request.offline ?? false,
    ...(repository === undefined ? {} : { repository }),
    ...(signal === undefined ? {} : { signal }),
  };
  const isOwn = (url: URL) => url.origin === endpoint.base.origin;
  // Whoever is led on to another server reads there what anybody may.
  const mayAuthorize = (url: URL) =>
    !request.anonymous && (isOwn(url) || isRead(request));
  // What another server wants it says itself.
  const scopesOf = (url: URL) => isOwn(url) ? scopes : [];
  let sent = 0;
  for (let challenges = 0;; challenges++) {
    let authorization: string | undefined;
    const answer = await sendRedirected(endpoint, index, {
      request,
      userAgent,
      warnings,
      authorize: async (url) => {
        const authorizer = mayAuthorize(url)
          ? endpoint.authorizerOf(url, repository)
          : undefined;
        authorization = authorizer === undefined
          ? undefined
          : await unlessAborted(
            authorizer.header(scopesOf(url), context),
            signal,
          );
        return authorization;
      },
    });
    const { response, url } = answer;
    if (isOwn(url) && authorization !== undefined) sent++;
    // Some say of a password that ended that it is forbidden.
    const isRefused = response.status === 401 ||
      response.status === 403 && isOwn(url) && authorization !== undefined;
    if (
      !isRefused || !mayAuthorize(url) || challenges >= MAX_CHALLENGES
    ) return answer;
    let mayHelp: boolean;
    try {
      const authorizer = isOwn(url)
        ? endpoint.authorizer
        : endpoint.follow(url, repository);
      const refused = authorizer.refused(response, scopesOf(url), {
        ...context,
        sent: authorization,
        // A source that gives another password each time is not asked without end.
        mayRenew: isOwn(url) && sent < 2,
      });
      mayHelp = await unlessAborted(refused, signal);
    } catch (error) {
      await response.body?.cancel();
      throw error;
    }
    if (!mayHelp) return answer;
    await response.body?.cancel();
  }
}
