import { expect, it } from "vitest";
import { releaseOf } from "./release-of.ts";

interface Egress {
  readonly to: readonly { readonly podSelector?: { readonly matchLabels: Readonly<Record<string, string>> } }[];
  readonly ports: readonly { readonly port: number }[];
}

/** Where the bot may go for its databases: a bundled one by its component, everything else as `own`, each with its ports. */
function databases(values: object): string[] {
  const { egress } = releaseOf(values).get("NetworkPolicy", "bot-discord-agent-bot")["spec"] as { egress: Egress[] };
  const known = new Set([5432, 6432, 6379, 6380, 26_379]);
  return egress.flatMap(({ to, ports }) =>
    ports
      .filter(({ port }) => known.has(port))
      .map(({ port }) => `${to[0]?.podSelector?.matchLabels["app.kubernetes.io/component"] ?? "own"}:${port}`),
  );
}

it.each([
  [true, true, ["postgres:5432", "redis:6379"]],
  [true, false, ["postgres:5432", "own:6379", "own:6380", "own:26379"]],
  [false, true, ["redis:6379", "own:5432", "own:6432"]],
  [false, false, ["own:5432", "own:6432", "own:6379", "own:6380", "own:26379"]],
])("the bot reaches both databases, with Postgres bundled: %s, and Redis: %s", (postgres, redis, expected) => {
  const given = { postgres: { enabled: postgres }, redis: { enabled: redis } };
  expect(databases(given).toSorted()).toEqual(expected.toSorted());
});
