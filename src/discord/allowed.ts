import type { Envelope, Snowflake } from "../envelope.ts";
import { ForeseenError } from "../errors.ts";
import { DiscordRefused } from "./failures.ts";
import { permission, permissionsIn } from "./permissions.ts";
import type { Place, Places } from "./places.ts";
import type { Voice } from "./voices.ts";

/**
 * Looks before it speaks: a request that Discord refuses counts against us. What is not known yet is waited for, not tried. Resolves to whether files
 * may be sent; throws `discord_refused` where nothing may be said.
 */
export async function mustBeAllowed(
  { guildId, conversationId: id, interactionToken }: Pick<Envelope, "guildId" | "conversationId" | "interactionToken">,
  reception: Voice,
  places: Places,
  signal: AbortSignal,
): Promise<boolean> {
  if (guildId === null || interactionToken) return true;
  const { guild, ownRoles } = (await placeOf(id, guildId, places)) ?? (await missing(id, reception, signal));
  const bits = permissionsIn(guild, id, { id: reception.userId, roles: ownRoles });
  const needed = permission.viewChannel | permission.sendMessages;
  if ((bits & needed) !== needed)
    throw new DiscordRefused(
      50_013,
      "the bot may not write in this channel: give its role View Channel and Send Messages there",
    );
  return (bits & permission.attachFiles) !== 0n;
}

/** Null when the channel is not known, also after another look. */
async function placeOf(channelId: Snowflake, guildId: Snowflake, places: Places): Promise<Place | null> {
  const known = await places.of(guildId);
  if (known?.guild.channels.has(channelId)) return known;
  places.changed(guildId);
  const place = await places.of(guildId);
  return place?.guild.channels.has(channelId) ? place : null;
}

/** Discord refuses where the channel is gone; otherwise we only have not heard of it yet. */
async function missing(channelId: Snowflake, { rest }: Voice, signal: AbortSignal): Promise<never> {
  await rest.call({ method: "GET", path: `/channels/${channelId}`, repeatable: true }, signal);
  const later = { kind: "retry", afterMs: 2_000 } as const;
  throw new ForeseenError("discord_place_unknown", "the channel is not known yet", later);
}
