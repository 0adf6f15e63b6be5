import { applicationPayload, channelPayload, guildPayload, userPayload } from "../world/payloads.ts";
import { guildPermissions } from "../world/permissions.ts";
import { compareIds } from "../world/snowflakes.ts";
import { openDirect } from "../world/world.ts";
import { refusals } from "./api-error.ts";
import type { Call, Reply, Route } from "./call.ts";

const application = ({ bot }: Call): Reply => ({ body: { ...applicationPayload(bot), bot: userPayload(bot) } });

/** The gateway's address, the bot itself, and other people. */
export const peopleRoutes: readonly Route[] = [
  { method: "GET", path: "/gateway", open: true, answer: ({ host }) => ({ body: { url: `ws://${host}/gateway` } }) },
  {
    method: "GET",
    path: "/gateway/bot",
    answer: ({ host, limits, gateway, bot }) => ({
      body: {
        url: `ws://${host}/gateway`,
        shards: limits.recommendedShards,
        session_start_limit: gateway.startLimit(bot),
      },
    }),
  },
  { method: "GET", path: "/applications/@me", answer: application },
  { method: "GET", path: "/oauth2/applications/@me", answer: application },
  {
    method: "GET",
    path: "/users/@me",
    answer: ({ bot }) => ({ body: { ...userPayload(bot), verified: true, mfa_enabled: true, flags: 0 } }),
  },
  { method: "GET", path: "/users/@me/guilds", answer: guilds },
  {
    method: "GET",
    path: "/users/:user",
    answer: ({ state, at }) => {
      const user = state.users.get(at["user"] ?? "");
      if (user === undefined) throw refusals.unknownUser();
      return { body: userPayload(user) };
    },
  },
  {
    method: "POST",
    path: "/users/@me/channels",
    answer: ({ state, bot, body }) => {
      const user = state.users.get(String(body["recipient_id"]));
      if (user === undefined) throw refusals.unknownUser();
      if (user.bot) throw refusals.noDirectMessages();
      return { body: channelPayload(state, openDirect(state, user.id, bot.id)) };
    },
  },
];

function guilds({ state, bot, query }: Call): Reply {
  const [before, after, limit] = [query.get("before"), query.get("after"), Number(query.get("limit") ?? 200)];
  const mine = [...state.guilds.values()]
    .filter(({ members }) => members.has(bot.id))
    .filter(({ id }) => after === null || compareIds(id, after) > 0)
    .filter(({ id }) => before === null || compareIds(id, before) < 0)
    .sort((one, other) => compareIds(one.id, other.id));
  const page = before === null ? mine.slice(0, limit) : mine.slice(-limit);
  return {
    body: page.map((guild) => ({
      ...guildPayload(guild),
      owner: guild.ownerId === bot.id,
      permissions: String(guildPermissions(guild, bot.id)),
      ...(query.get("with_counts") === "true" ? { approximate_member_count: guild.members.size } : {}),
    })),
  };
}
