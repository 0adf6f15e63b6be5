import type { Route } from "./call.ts";
import { commandRoutes } from "./commands.ts";
import { interactionRoutes } from "./interactions.ts";
import { messageRoutes } from "./messages.ts";
import { peopleRoutes } from "./people.ts";
import { placeRoutes } from "./places.ts";
import { reactionRoutes } from "./reactions.ts";
import { webhookRoutes } from "./webhooks.ts";

export interface FoundRoute extends Route {
  /** The values in the path, decoded. */
  readonly at: Readonly<Record<string, string>>;
  /** The channel, guild or webhook that has a bucket of its own. */
  readonly major: string;
}

const routes = [
  ...peopleRoutes,
  ...placeRoutes,
  ...messageRoutes,
  ...reactionRoutes,
  ...webhookRoutes,
  ...interactionRoutes,
  ...commandRoutes,
].map((route) => ({
  ...route,
  pattern: new RegExp(`^${route.path.replaceAll(/:(\w+)/gu, "(?<$1>[^/]+)")}/?$`, "u"),
}));

/** The route of this request; null when there is none. The first that fits: "@me" comes before ":user". */
export function findRoute(method: string, path: string): FoundRoute | null {
  for (const route of routes) {
    const match = route.method === method ? route.pattern.exec(path) : null;
    if (match === null) continue;
    const at = Object.fromEntries(
      Object.entries(match.groups ?? {}).map(([name, text]) => [name, decodeURIComponent(text)]),
    );
    return { ...route, at, major: at["channel"] ?? at["guild"] ?? at["webhook"] ?? "" };
  }
  return null;
}
